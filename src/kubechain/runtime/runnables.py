"""Starts, drains and cancels the tasks of a manager."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class Runnable(Protocol):
    """A task of the manager."""

    async def run(self) -> None:
        """Run until cancelled or done; an exception ends the manager."""
        ...


@runtime_checkable
class Drainable(Protocol):
    """A runnable that can finish its work in flight before it is cancelled."""

    async def drain(self) -> None:
        """Start no new work; return when the work in flight is finished or its time is over."""
        ...


def spawn(group: asyncio.TaskGroup, runnables: Iterable[Runnable]) -> list[asyncio.Task[None]]:
    """Start a task for each runnable."""
    return [group.create_task(_run(one), name=type(one).__name__) for one in runnables]


async def drain(runnables: Iterable[Runnable]) -> None:
    """Drain all concurrently, within one grace period."""
    drains: list[Awaitable[None]] = [one.drain() for one in runnables if isinstance(one, Drainable)]
    await asyncio.gather(*drains)


async def cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and return when they are done."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


async def _run(runnable: Runnable) -> None:
    await runnable.run()
