"""Waits for asyncio tasks that must be done before their owner goes on."""

from __future__ import annotations

import asyncio
from typing import Any


async def finish(task: asyncio.Future[Any]) -> None:
    """Wait until a task is done; a cancellation of the caller is forwarded to the task and raised afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
            task.cancel()
    if cancelled is not None:
        raise cancelled
