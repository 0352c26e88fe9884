"""Tasks that their owner outlives. Used by whoever starts work that must be over before anything else goes on."""

from __future__ import annotations

import asyncio
from typing import Any


async def finish(task: asyncio.Future[Any]) -> None:
    """Wait until a task is gone; a cancel is passed on to it, as often as it comes, and raised when it is gone."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
            task.cancel()
    if cancelled is not None:
        raise cancelled
