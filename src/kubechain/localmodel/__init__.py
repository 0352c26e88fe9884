"""A small model on this machine: real inference without a key or a network, for demos and tests of the plumbing.

It runs in a child process, so that it can neither stall the manager's event loop nor count into its memory. It speaks
the openai-chat dialect: point an LLM's `parameters.baseUrl` at `LocalModel.base_url`. It says nonsense fluently:
never build on what it says.

    python -m kubechain.localmodel fetch
    python -m kubechain.localmodel serve --port 8090

Used by the CLI and by tests. The manager itself never needs it.
"""

from __future__ import annotations

from kubechain.localmodel.errors import LocalModelError
from kubechain.localmodel.modelfile import fetch, model_path
from kubechain.localmodel.process import LocalModel

__all__ = ["LocalModel", "LocalModelError", "fetch", "model_path"]
