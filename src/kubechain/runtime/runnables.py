"""What a manager runs, and how such tasks are started, drained and cancelled together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class Runnable(Protocol):
    """Something that runs as long as the manager does."""

    async def run(self) -> None:
        """Run until cancelled, or until there is nothing more to do; an exception ends the manager."""
        ...


@runtime_checkable
class Drainable(Protocol):
    """A runnable that can finish what it began before it is cancelled."""

    async def drain(self) -> None:
        """Begin nothing new; return when what was begun is finished or its time is over."""
        ...


def spawn(group: asyncio.TaskGroup, runnables: Iterable[Runnable]) -> list[asyncio.Task[None]]:
    """Run each in a task of its own."""
    return [group.create_task(_run(one), name=type(one).__name__) for one in runnables]


async def drain(runnables: Iterable[Runnable]) -> None:
    """Drain all at once: together they have one grace period."""
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
