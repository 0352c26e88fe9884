"""Which runs may call an LLM now: as many at once as it allows, in the order in which they asked.

A run that finds no free slot does not wait in a worker, where it would hold up runs of other LLMs: it is queued, its
reconcile ends, and it is reconciled again when a slot is reserved for it. The queue is in memory and nothing depends
on it: after a restart the runs are queued again. What must not go here: the model call, and the status.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from kubechain.api.llm import LLM
from kubechain.runtime.clock import Clock
from kubechain.runtime.keys import Request

DEFAULT_LIMIT = 100
"""Calls at once where the LLM sets no limit; below the connection limits of the providers."""


class ModelQueue(Protocol):
    """Limits the calls of each LLM. `LLMQueue` does so for one process."""

    def reserve(self, llm: LLM, run: Request) -> AbstractContextManager[bool]:
        """Hold a slot of the LLM inside, if one is free: yields whether it is. If not, the run is queued."""
        ...

    def reconciling(self, run: Request) -> AbstractContextManager[None]:
        """Surround a reconcile of the run: a slot reserved for it that is not used inside goes to the next run."""
        ...

    def waited_seconds(self, llm: LLM, run: Request) -> float:
        """How long a run has been queued; 0 when it is not."""
        ...


@dataclass(slots=True, eq=False)
class _Slots:
    """The slots of one LLM, and the runs queued for one, with the time since when."""

    llm: Request
    limit: int = DEFAULT_LIMIT
    used: int = 0
    reserved: int = 0
    queued: dict[Request, float] = field(default_factory=dict[Request, float])

    @property
    def has_room(self) -> bool:
        return self.used + self.reserved < self.limit

    @property
    def is_idle(self) -> bool:
        return not (self.used or self.reserved or self.queued)


class LLMQueue:
    """The slots of all LLMs."""

    def __init__(self, wake: Callable[[Request], None], clock: Clock) -> None:
        """Start with all slots free.

        Args:
            wake: Requests a reconcile of a run.
            clock: For how long a run has been queued.
        """
        self._wake = wake
        self._clock = clock
        self._slots: dict[Request, _Slots] = {}
        self._reserved: dict[Request, _Slots] = {}
        """Runs that were woken: each has a slot reserved until its next reconcile is over."""

    def __len__(self) -> int:
        """Return how many LLMs are in use."""
        return len(self._slots)

    @contextmanager
    def reserve(self, llm: LLM, run: Request) -> Generator[bool]:
        """Hold a slot of the LLM inside, if one is free: yields whether it is. If not, the run is queued."""
        key = _key(llm)
        slots = self._slots.setdefault(key, _Slots(key))
        slots.limit = llm.spec.max_concurrent_requests or DEFAULT_LIMIT
        is_held = self._take(slots, run)
        slots.used += is_held
        try:
            yield is_held
        finally:
            slots.used -= is_held
            self._assign(slots)

    @contextmanager
    def reconciling(self, run: Request) -> Generator[None]:
        """Surround a reconcile of the run: a slot reserved for it that is not used inside goes to the next run."""
        slots = self._reserved.get(run)
        try:
            yield
        finally:
            if slots is not None and self._reserved.get(run) is slots:
                self._cancel_reservation(slots, run)
                self._assign(slots)

    def waited_seconds(self, llm: LLM, run: Request) -> float:
        """How long a run has been queued; 0 when it is not."""
        slots, now = self._slots.get(_key(llm)), self._clock.monotonic()
        return now - slots.queued.get(run, now) if slots is not None else 0.0

    def _take(self, slots: _Slots, run: Request) -> bool:
        if self._reserved.get(run) is slots:
            self._cancel_reservation(slots, run)
            return True
        if slots.has_room and not slots.queued:
            return True
        slots.queued.setdefault(run, self._clock.monotonic())
        return False

    def _cancel_reservation(self, slots: _Slots, run: Request) -> None:
        del self._reserved[run]
        slots.reserved -= 1

    def _assign(self, slots: _Slots) -> None:
        """Reserve the free slots for the first runs of the queue and wake them; drop the record of an idle LLM."""
        while slots.queued and slots.has_room:
            run = next(iter(slots.queued))
            del slots.queued[run]
            self._reserved[run] = slots
            slots.reserved += 1
            self._wake(run)
        if slots.is_idle and self._slots.get(slots.llm) is slots:
            del self._slots[slots.llm]


def _key(llm: LLM) -> Request:
    return Request(llm.metadata.namespace, llm.metadata.name)
