"""The child process: loads the model and serves it on loopback until it is stopped.

The inference engine is imported only here and only when needed; HTTP and inference run in its own threads, and the main
thread waits for the end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kubechain.localmodel.errors import LocalModelError
from kubechain.localmodel.front import Front
from kubechain.localmodel.modelfile import FETCH_COMMAND, MODEL_NAME, is_present, model_path

HOST = "127.0.0.1"
INSTALL_COMMAND = "pip install 'kubechain[embedded-model]'"

DEFAULT_ALIASES = (MODEL_NAME, "gpt-4o")
"""Names under which the model is listed. The LLM of the walk-through has the second, so its check passes."""

CONTEXT_TOKENS = 4096
"""Shared by all slots; half of the model's context length, which saves 90 MB of memory."""

SLOTS = 4
MAX_ANSWER_TOKENS = 512
"""Limit where the request sets none; a small model often does not end its answer."""

_ERRORS_ONLY = 1


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Settings of the server.

    Attributes:
        port: On loopback; 0 takes a free one.
        aliases: Names under which the model is listed.
        threads: For inference; None takes what the machine has, at most 4.
    """

    port: int = 0
    aliases: Sequence[str] = DEFAULT_ALIASES
    threads: int | None = None


class ModelServer:
    """Serves a loaded model."""

    def __init__(self, options: ServerOptions, *, model: Path | None = None) -> None:
        """Load the model and start the server; takes about half a second.

        Raises:
            LocalModelError: The engine or the file is missing, or the port is taken.
        """
        require_parts(model)
        xllamacpp: Any = import_module("xllamacpp")  # an optional extra, 40 MB of native code: only in this process

        try:
            self._engine: Any = xllamacpp.Server(_parameters(xllamacpp, options, model or model_path()))
        except (RuntimeError, ValueError) as error:
            raise LocalModelError(f"the model does not start: {error}") from error
        self._front = Front(HOST, options.port, engine_port=int(self._engine.listening_address.rpartition(":")[2]))

    @property
    def base_url(self) -> str:
        """What an LLM's `parameters.baseUrl` must be."""
        return f"http://{HOST}:{self._front.server_port}/v1"


def require_parts(model: Path | None = None) -> None:
    """Check that the engine and the file are there, before anything is started.

    Raises:
        LocalModelError: The engine is not installed or the file is not there.
    """
    if find_spec("xllamacpp") is None:
        raise LocalModelError(f"the inference engine is not installed: {INSTALL_COMMAND}")
    if model is None and not is_present():
        raise LocalModelError(f"the model's file is not in {model_path()}: {FETCH_COMMAND}")


def _parameters(xllamacpp: Any, options: ServerOptions, model: Path) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = set(options.aliases)
    parameters.hostnames = [HOST]
    parameters.port = 0  # The front is what clients talk to.
    parameters.ui = False
    parameters.verbosity = _ERRORS_ONLY
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = SLOTS
    parameters.kv_unified = True
    parameters.n_predict = MAX_ANSWER_TOKENS
    parameters.cache_ram_mib = 0
    threads = options.threads or min(os.cpu_count() or 1, 4)
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    return parameters


def wait_for_end(*, with_stdin: bool) -> None:
    """Wait for SIGTERM or SIGINT, or for the end of stdin, which means that the parent has ended."""
    if with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


def block_end_signals() -> None:
    """Block the signals for `wait_for_end`; called before the engine starts its threads, which inherit the mask."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})


def leave(status: int = 0) -> None:
    """End the process at once: the engine's threads hold nothing to save, and a join can take seconds."""
    sys.stdout.flush()
    os._exit(status)


def _end_with_stdin() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)
