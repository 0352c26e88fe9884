"""Runs a long-running command: its event loop, its signals, and its exit status when it fails."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

import structlog

from kubechain.cli.causes import leaves
from kubechain.cli.terminal import Failure
from kubechain.runtime import leaderelection
from kubechain.runtime.credentials import ConfigError
from kubechain.runtime.eventloop import loop_factory
from kubechain.runtime.health import ListenError
from kubechain.runtime.leaderelection import LeadershipLost

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

FAILED: Final = 1
INTERRUPTED: Final = 130
"""Exit status of a process that was ended by Ctrl-C, by the shell's convention."""

EXPECTED: Final = (Failure, ConfigError, ListenError, OSError)
"""Failures that the user can correct, such as a port in use: printed in one line, without a traceback."""

NO_FAULT: Final = (
    "the API server did not take the renewal of the Lease in time, or another replica took it; "
    "this is no fault of the manager: what it had begun goes on with the next leader"
)

Main = Callable[[asyncio.Event], Awaitable[int]]
"""Runs until the event is set, and returns the exit status."""


def run(main: Main, *, flags: Mapping[str, str] | None = None) -> int:
    """Run a coroutine, on uvloop if it is installed, and return the exit status.

    The first SIGINT or SIGTERM sets the event; the second ends the process at once.

    Args:
        main: The command.
        flags: By address: the flag that it was given by, for the error when it cannot be listened at.

    Raises:
        Failure: The command failed for a reason that the user can correct.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            return runner.run(_with_signals(main))
        except (*EXPECTED, ExceptionGroup) as error:
            return exit_status(error, flags or {})


def exit_status(error: Exception, flags: Mapping[str, str] = MappingProxyType({})) -> int:
    """Log why a command failed, and return its exit status; not zero, so that a pod is restarted.

    Raises:
        Failure: The user can correct every cause.
    """
    causes = [cause for cause in leaves(error) if not isinstance(cause, LeadershipLost)]
    if causes and all(isinstance(cause, EXPECTED) for cause in causes):
        raise Failure("; ".join(_text(cause, flags) for cause in causes)) from error
    if causes:
        log.error("failed", exc_info=error)
        return FAILED
    log.warning("ended without leadership, to be started again", cause=NO_FAULT, exit_status=leaderelection.EXIT_STATUS)
    return leaderelection.EXIT_STATUS


def _text(cause: Exception, flags: Mapping[str, str]) -> str:
    if isinstance(cause, ListenError) and cause.address in flags:
        return f"{flags[cause.address]} {cause.address}: {cause.reason}"
    return str(cause)


async def _with_signals(main: Main) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _on_signal, stop)
    return await main(stop)


def _on_signal(stop: asyncio.Event) -> None:
    if stop.is_set():
        # The second signal. Nothing is lost: all state is in the API server, and claims can be taken over.
        sys.stderr.flush()
        os._exit(INTERRUPTED)
    stop.set()
