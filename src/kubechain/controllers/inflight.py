"""Effects that are going on in this process, so that a cancelled or deleted object stops costing at once.

Shared by the kinds whose effects take long: model calls and tool calls. What must not go here: what is recorded then.
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
    """The effect was stopped from outside: somebody cancelled or deleted the object."""


@dataclass(slots=True)
class InFlight:
    """The effects of one kind, by the uid of the object that they are for."""

    _tasks: dict[str, asyncio.Task[Any]] = field(default_factory=dict[str, "asyncio.Task[Any]"])

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, uid: str) -> bool:
        return uid in self._tasks

    def interrupt(self, uid: str) -> None:
        """Stop the effect for one object, if there is one. Never blocks: called from watches."""
        task = self._tasks.get(uid)
        if task is not None:
            task.cancel()

    async def run(
        self, uid: str, effect: Coroutine[Any, Any, R], *, is_unwanted: Callable[[], bool]
    ) -> R | Interrupted:
        """Wait for an effect that others may interrupt; its own errors go through.

        Args:
            is_unwanted: Asked once, before the effect starts: whoever cancelled the object while its claim was being
                written found nothing here to interrupt.

        Raises:
            asyncio.CancelledError: The waiting reconcile was cancelled; the effect is cancelled and over.
        """
        task = asyncio.ensure_future(effect)
        self._tasks[uid] = task
        if is_unwanted():
            task.cancel()
        try:
            await finish(task)
        finally:
            self._tasks.pop(uid, None)
        return Interrupted() if task.cancelled() else task.result()


def interrupter(in_flight: InFlight, is_unwanted: Callable[[T], bool]) -> Callable[[Change[T]], None]:
    """A watch handler that stops the effect for an object that is gone or no longer wanted."""

    def on_change(change: Change[T]) -> None:
        held = change.new or change.old
        if held is None or held.metadata.uid not in in_flight:
            return
        obj = change.current()
        if obj is None or obj.metadata.deletion_timestamp is not None or is_unwanted(obj):
            in_flight.interrupt(held.metadata.uid)

    return on_change
