"""The queue of Events that are not written yet: in order for each object, several objects at a time, bounded.

When it is full, Normal events about beginnings are dropped first, oldest first; Warnings and events about an end are
dropped only when nothing else is left. What must not go here: writing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Pending(Protocol):
    """An event in the queue."""

    @property
    def about(self) -> Hashable:
        """The object; events about one object are taken one after the other."""
        ...

    @property
    def is_minor(self) -> bool:
        """Whether it is dropped before others."""
        ...


P = TypeVar("P", bound=Pending)


class EventQueue(Generic[P]):
    """Holds events until a worker has written them."""

    def __init__(self, limit: int) -> None:
        """Create an empty queue.

        Args:
            limit: Of events that wait; those that workers hold do not count.
        """
        self._limit = limit
        self._waiting: dict[Hashable, deque[P]] = {}
        self._ready: deque[Hashable] = deque()
        self._held: set[Hashable] = set()
        self._minor: dict[P, None] = {}
        self._size = 0
        self._has_ready = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def __len__(self) -> int:
        """Return the number of events that wait."""
        return self._size

    def put(self, event: P) -> P | None:
        """Append an event; return the one that was dropped for it, which may be itself."""
        dropped = None
        if self._size >= self._limit:
            dropped = next(iter(self._minor), event)
            if dropped is event:
                return event
            self._remove(dropped)
        if event.is_minor:
            self._minor[event] = None
        waiting = self._waiting.setdefault(event.about, deque())
        waiting.append(event)
        self._size += 1
        self._is_idle.clear()
        if len(waiting) == 1 and event.about not in self._held:
            self._offer(event.about)
        return dropped

    async def take(self) -> P:
        """Wait for the next event; its object's other events wait until `done`."""
        while not self._ready:
            self._has_ready.clear()
            await self._has_ready.wait()
        about = self._ready.popleft()
        event = self._waiting[about].popleft()
        self._forget(event)
        self._held.add(about)
        return event

    def done(self, event: P) -> None:
        """Release the object of an event that was taken."""
        self._held.discard(event.about)
        if event.about in self._waiting:
            self._offer(event.about)
        elif not self._waiting and not self._held:
            self._is_idle.set()

    async def join(self) -> None:
        """Return when no event waits and no worker holds one."""
        await self._is_idle.wait()

    def _offer(self, about: Hashable) -> None:
        self._ready.append(about)
        self._has_ready.set()

    def _remove(self, event: P) -> None:
        """Take an event out that waits."""
        waiting = self._waiting[event.about]
        waiting.remove(event)
        if not waiting and event.about not in self._held:
            self._ready.remove(event.about)
        self._forget(event)

    def _forget(self, event: P) -> None:
        self._minor.pop(event, None)
        self._size -= 1
        if not self._waiting[event.about]:
            del self._waiting[event.about]
