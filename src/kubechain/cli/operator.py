"""The process of `kubechain manager`."""

from __future__ import annotations

import asyncio
import time

import structlog

from kubechain import __version__
from kubechain.cli.terminal import STARTED_AT
from kubechain.manager import ManagerOptions, run_manager

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Operator:
    """One manager process."""

    def __init__(self, options: ManagerOptions) -> None:
        """Create an operator that does not run yet."""
        self._options = options

    async def run(self, stop: asyncio.Event) -> int:
        """Run until the event is set; return the exit status."""
        log.info("starting", version=__version__, namespaces=list(self._options.namespaces) or "all")
        await run_manager(self._options, stop=stop, on_ready=_log_ready)
        log.info("stopped")
        return 0


def _log_ready() -> None:
    log.info("ready", duration_seconds=round(time.monotonic() - STARTED_AT, 3))
