"""A small model on this machine: real inference without a key or a network, for demos and tests of the plumbing.

It runs in a child process, so that it can neither block the manager's event loop nor use its memory. It speaks the
openai-chat dialect: set an LLM's `parameters.baseUrl` to `LocalModel.base_url`. Its answers are fluent and mostly
wrong: tests must not depend on them.

    python -m kubechain.localmodel fetch
    python -m kubechain.localmodel serve --port 8090

The manager itself does not need it.
"""

from __future__ import annotations

from kubechain.localmodel.errors import LocalModelError
from kubechain.localmodel.modelfile import fetch, model_path
from kubechain.localmodel.process import LocalModel

__all__ = ["LocalModel", "LocalModelError", "fetch", "model_path"]
