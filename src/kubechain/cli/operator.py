"""What `kubechain manager` runs, and what it says when that ends in a way that nobody wanted."""

from __future__ import annotations

import asyncio
import time

import structlog

from kubechain import __version__
from kubechain.cli.terminal import STARTED_AT, Failure
from kubechain.manager import ManagerOptions, run_manager
from kubechain.runtime.credentials import ConfigError
from kubechain.runtime.leaderelection import LeadershipLost

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

FAILED = 1


class Operator:
    """One manager process."""

    def __init__(self, options: ManagerOptions) -> None:
        self._options = options

    async def run(self, stop: asyncio.Event) -> int:
        """Run until the event is set; return the exit status.

        Raises:
            Failure: It cannot start; a person can put that right.
        """
        log.info("starting", version=__version__, namespaces=list(self._options.namespaces) or "all")
        try:
            await run_manager(self._options, stop=stop, on_ready=_tell_ready)
        except (ConfigError, OSError) as error:
            raise Failure(str(error)) from error
        except ExceptionGroup as group:
            return _told(group)
        log.info("stopped")
        return 0


def _told(group: ExceptionGroup[Exception]) -> int:
    """Log why the manager ended; not zero, so that a pod starts again."""
    _, rest = group.split(LeadershipLost)  # that one was logged where it happened
    if rest is not None:
        log.error("manager failed", exc_info=rest)
    return FAILED


def _tell_ready() -> None:
    log.info("ready", duration_seconds=round(time.monotonic() - STARTED_AT, 3))
