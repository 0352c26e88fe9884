"""Model calls and tool calls in flight in this process, so that they are cancelled with their object.

What must not go here: what is recorded about a cancelled effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kubechain.api.meta import StatusObject
from kubechain.runtime.store import Change
from kubechain.runtime.tasks import finish

R = TypeVar("R")
T = TypeVar("T", bound="StatusObject[Any, Any]")


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The effect was cancelled: its object is cancelled, deleted or no longer wanted."""


@dataclass(slots=True)
class InFlight:
    """The effects of one kind, by the uid of the object that they are for."""

    _going_on: set[str] = field(default_factory=set[str])
    _let_go: set[str] = field(default_factory=set[str])
    _tasks: dict[str, asyncio.Task[Any]] = field(default_factory=dict[str, "asyncio.Task[Any]"])

    def __len__(self) -> int:
        """Return how many effects are in flight."""
        return len(self._tasks)

    def __contains__(self, uid: str) -> bool:
        """Return whether an effect for the object is in flight."""
        return uid in self._tasks

    def interrupt(self, uid: str) -> None:
        """Cancel the effect for one object, if there is one; does not block."""
        task = self._tasks.get(uid)
        if task is not None:
            task.cancel()

    def let_go(self) -> None:
        """Wait no longer for effects that go on without this process: it stops; does not block."""
        for uid in self._going_on:
            self._let_go.add(uid)
            self.interrupt(uid)

    async def run(
        self, uid: str, effect: Coroutine[Any, Any, R], *, is_unwanted: Callable[[], bool], goes_on: bool = False
    ) -> R | Interrupted:
        """Await an effect that `interrupt` may cancel; its own errors are raised.

        Args:
            is_unwanted: Called once, before the effect starts: an object that was cancelled while its claim was being
                written had no effect to interrupt yet.
            goes_on: Whether what the effect waits for goes on without this process, which may `let_go`.

        Raises:
            asyncio.CancelledError: The waiting reconcile was cancelled, or the effect was let go; the effect is over.
        """
        task = asyncio.ensure_future(effect)
        self._tasks[uid] = task
        if goes_on:
            self._going_on.add(uid)
        if is_unwanted():
            task.cancel()
        try:
            await finish(task)
        finally:
            self._tasks.pop(uid, None)
            self._going_on.discard(uid)
        if task.cancelled() and uid in self._let_go:
            raise asyncio.CancelledError
        return Interrupted() if task.cancelled() else task.result()


def interrupter(in_flight: InFlight, is_unwanted: Callable[[T], bool]) -> Callable[[Change[T]], None]:
    """A watch handler that cancels the effect for an object that is gone or no longer wanted."""

    def on_change(change: Change[T]) -> None:
        held = change.new or change.old
        if held is None or held.metadata.uid not in in_flight:
            return
        obj = change.current()
        if obj is None or obj.metadata.deletion_timestamp is not None or is_unwanted(obj):
            in_flight.interrupt(held.metadata.uid)

    return on_change
