"""Says at the start how the manager learns of changed Secrets: by a watch, or by reading them by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from kubechain.controllers.readings import FRESH_SECONDS
from kubechain.runtime.informer import Informer

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SecretsNotice:
    """A runnable that ends with its log line.

    Attributes:
        secrets: The cache of their metadata, which is empty where they may not be watched.
        namespaces: In which the manager works; none means all.
    """

    secrets: Informer[Any]
    namespaces: Sequence[str] = ()

    async def run(self) -> None:
        """Wait until the API server has said what is permitted, and tell it."""
        await self.secrets.wait_synced()
        unwatched = [one for one in self.namespaces or ("",) if not self.secrets.follows(one)]
        if not unwatched:
            log.info("Secrets are watched: a change counts at once")
            return
        log.info(
            "Secrets are read by name, without the right to list and watch them: a change counts at the next use",
            latest_seconds=FRESH_SECONDS,
            namespaces=[one for one in unwatched if one] or None,
        )
