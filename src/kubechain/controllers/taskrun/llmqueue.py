"""Which runs may call an LLM now: as its limits and its provider allow, the agents in turn.

A run that may not call now does not wait in a worker, where it would hold up runs of other LLMs: it is queued, its
reconcile ends, and it is reconciled again when a slot is reserved for it. An LLM is used by runs of its own namespace
only, so that each namespace has its own queues, and none waits for another's runs. The queue is in memory and nothing
depends on it: after a restart the runs are queued again. What must not go here: the model call, and the status.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import Protocol

from kubechain.api.llm import LLM
from kubechain.controllers.circuits import OpenCircuits
from kubechain.controllers.taskrun.fairqueue import Waiting
from kubechain.controllers.taskrun.llmslots import Call, Place, Slots, Trouble
from kubechain.controllers.taskrun.outcomes import Answered, Deferred, Refused
from kubechain.observability.witness import NOBODY, Witness
from kubechain.runtime.clock import Clock
from kubechain.runtime.keys import Request

LONG_HOLD_SECONDS = 60.0
"""A provider that asks to wait longer than this is of no use now: runs with fallbacks call the next one."""

SHORTEST_TIMER_SECONDS = 0.001
"""The event loop may fire a timer earlier by its resolution; one for the rest would fire at once, again and again."""

TOLD_PLACES_MAX = 100
"""Further back in the queue no run is told that it moved up."""


class Timer(Protocol):
    """A call that is to be made later."""

    def cancel(self) -> None:
        """Do not make it."""
        ...


def whole(limit: int) -> int:
    """What one process has of an LLM's limit where it is the only one."""
    return limit


TimerStart = Callable[[float, Callable[[], None]], Timer]
"""Has a function called after so many seconds."""


class ModelQueue(Protocol):
    """Limits the calls of each LLM. `LLMQueue` does so for one process."""

    def reserve(self, llm: LLM, run: Request, *, agent: str = "", size_bytes: int = 0) -> AbstractContextManager[bool]:
        """Hold a slot of the LLM inside, if one is free: yields whether it is. If not, the run is queued.

        Args:
            llm: The LLM that is called.
            run: The run that calls it.
            agent: Whose run it is: the agents take turns.
            size_bytes: Of the conversation, for the estimate of the tokens that the call takes.
        """
        ...

    def reconciling(self, run: Request) -> AbstractContextManager[None]:
        """Surround a reconcile of the run: a slot reserved for it that is not used inside goes to the next run."""
        ...

    def waited_seconds(self, llm: LLM, run: Request) -> float:
        """How long a run has been queued; 0 when it is not."""
        ...

    def place(self, llm: LLM, run: Request) -> Place:
        """How many runs are before this one, and what they wait for; from now on it is woken as it moves up."""
        ...

    def learn(self, llm: LLM, run: Request, outcome: Answered | Deferred | Refused) -> None:
        """Take note of how a call ended, while its slot is held."""
        ...

    def trouble(self, llm: LLM) -> Trouble | None:
        """Why the LLM is of no use now; None where a call may be made, or soon."""
        ...

    def leave_others(self, llm: LLM, run: Request) -> None:
        """Give up the run's place in the queues of other LLMs, and a slot that is reserved for it there."""
        ...


class LLMQueue:
    """The slots of all LLMs."""

    def __init__(
        self,
        wake: Callable[[Request], None],
        clock: Clock,
        circuits: OpenCircuits,
        start_timer: TimerStart,
        witness: Witness = NOBODY,
        *,
        share: Callable[[int], int] = whole,
    ) -> None:
        """Start with all slots free.

        Args:
            wake: Requests a reconcile of a run.
            clock: For how long a run has been queued.
            circuits: Told of circuits that open and close.
            start_timer: One timer for each LLM with queued runs that only time lets go on.
            witness: Told how long a run was queued.
            share: This process's part of a limit of an LLM, which others call too.
        """
        self._share = share
        self._wake = wake
        self._clock = clock
        self._circuits = circuits
        self._start_timer = start_timer
        self._witness = witness
        self._slots: dict[Request, Slots] = {}
        self._timers: dict[Request, Timer] = {}
        self._reserved: dict[Request, tuple[Slots, Call]] = {}
        """Runs that were woken: each has a slot reserved until its next reconcile is over."""

    def __len__(self) -> int:
        """Return how many LLMs are in use, or have limits that are remembered."""
        return len(self._slots)

    def in_use(self) -> Iterator[tuple[Request, int, int]]:
        """Each LLM in use, with how many runs are queued and how many calls are in flight."""
        for llm, slots in self._slots.items():
            yield llm, len(slots.queued), len(slots.calls)

    @contextmanager
    def reserve(self, llm: LLM, run: Request, *, agent: str = "", size_bytes: int = 0) -> Generator[bool]:
        """Hold a slot of the LLM inside, if one is free: yields whether it is. If not, the run is queued."""
        slots = self._slots_of(llm)
        call = self._take(slots, run, agent, size_bytes)
        if call is not None:
            slots.calls[run] = call
        try:
            yield call is not None
        finally:
            if call is not None:
                slots.end(run)
            self._assign(slots)

    @contextmanager
    def reconciling(self, run: Request) -> Generator[None]:
        """Surround a reconcile of the run: a slot reserved for it that is not used inside goes to the next run."""
        held = self._reserved.get(run)
        try:
            yield
        finally:
            if held is not None and self._reserved.get(run) is held:
                self._give_back(run, *held)

    def waited_seconds(self, llm: LLM, run: Request) -> float:
        """How long a run has been queued; 0 when it is not."""
        slots, now = self._slots.get(_key(llm)), self._clock.monotonic()
        waiting = slots.queued.get(run) if slots is not None else None
        return now - waiting.since if waiting is not None else 0.0

    def place(self, llm: LLM, run: Request) -> Place:
        """How many runs are before this one, and what they wait for; from now on it is woken as it moves up."""
        return self._slots_of(llm).place(run, self._clock.monotonic())

    def learn(self, llm: LLM, run: Request, outcome: Answered | Deferred | Refused) -> None:
        """Take note of how a call ended, while its slot is held."""
        slots, now = self._slots_of(llm), self._clock.monotonic()
        was_open, was_of_use = slots.circuit.is_open, self.trouble(llm) is None
        slots.learn(run, outcome, now)
        if was_open and not slots.circuit.is_open:
            self._circuits.closed(slots.llm)
        elif slots.circuit.is_open and not was_open:
            self._circuits.opened(slots.llm, slots.circuit.detail)
        if was_of_use and self.trouble(llm) is not None:
            # Each may have a fallback, and its status shall say for what it waits now.
            for waiting_run in slots.queued:
                self._wake(waiting_run)

    def leave_others(self, llm: LLM, run: Request) -> None:
        """Give up the run's place in the queues of other LLMs, and a slot that is reserved for it there."""
        key, held = _key(llm), self._reserved.get(run)
        if held is not None and held[0].llm != key:
            self._give_back(run, *held)
        others = [slots for slots in self._slots.values() if slots.llm != key]
        for slots in [slots for slots in others if slots.queued.remove(run)]:
            self._assign(slots)

    def keep(self, is_ours: Callable[[Request], bool]) -> None:
        """Drop all other runs: another process calls the models for them now, and nobody here answers a wake."""
        for slots in self._slots.values():
            for run in [run for run in slots.queued if not is_ours(run)]:
                slots.queued.remove(run)
        for run, held in [(run, held) for run, held in self._reserved.items() if not is_ours(run)]:
            self._give_back(run, *held)
        for slots in list(self._slots.values()):
            self._assign(slots)

    def trouble(self, llm: LLM) -> Trouble | None:
        """Why the LLM is of no use now; None where a call may be made, or soon."""
        slots, now = self._slots.get(_key(llm)), self._clock.monotonic()
        if slots is None or slots.generation != llm.metadata.generation:
            return None
        if slots.circuit.is_open and not slots.may_try(now):
            seconds = None if slots.is_tried else slots.circuit.wait_seconds(now)
            return Trouble(f"its circuit is open: {slots.circuit.detail}", seconds)
        if (held_seconds := slots.pace.held_until - now) > LONG_HOLD_SECONDS:
            return Trouble("its provider asks to wait", held_seconds - LONG_HOLD_SECONDS)
        return None

    def _give_back(self, run: Request, slots: Slots, call: Call) -> None:
        """Reserve a slot for the run no longer."""
        del self._reserved[run]
        slots.cancel(call)
        self._assign(slots)

    def _slots_of(self, llm: LLM) -> Slots:
        key, now = _key(llm), self._clock.monotonic()
        slots = self._slots.get(key)
        if slots is None:
            self._forget_unused(now)
            slots = self._slots.setdefault(key, Slots(key))
        if slots.configure(llm, now, self._share):
            self._circuits.closed(key)
        return slots

    def _take(self, slots: Slots, run: Request, agent: str, size_bytes: int) -> Call | None:
        held, now = self._reserved.get(run), self._clock.monotonic()
        if held is not None and held[0] is slots:
            del self._reserved[run]
            slots.reserved -= 1
            return held[1]
        if not slots.queued and slots.wait_seconds(size_bytes, now) == 0:
            return slots.begin(size_bytes, now)
        slots.queued.add(run, agent, Waiting(now, size_bytes))
        return None

    def _assign(self, slots: Slots) -> None:
        """Reserve the free slots for the first runs of the queue and wake them; drop the record of an idle LLM."""
        now = self._clock.monotonic()
        while (waiting := slots.queued.first) is not None and slots.wait_seconds(waiting.size_bytes, now) == 0:
            run = slots.queued.pop()
            self._reserved[run] = (slots, slots.begin(waiting.size_bytes, now))
            slots.reserved += 1
            self._witness.dequeued(slots.llm.namespace, slots.llm.name, now - waiting.since)
            self._wake(run)
        self._tell_places(slots)
        self._set_timer(slots, now)
        if slots.is_unused(now) and self._slots.get(slots.llm) is slots:
            del self._slots[slots.llm]

    def _tell_places(self, slots: Slots) -> None:
        """Wake the runs whose status says a place that they have left."""
        for ahead, run in enumerate(islice(slots.queued, TOLD_PLACES_MAX)):
            waiting = slots.queued.get(run)
            if waiting is not None and waiting.told not in (None, Place.rounded(ahead)):
                waiting.told = Place.rounded(ahead)
                self._wake(run)

    def _set_timer(self, slots: Slots, now: float) -> None:
        """Look at the queue again when time alone lets its first run go on."""
        if (timer := self._timers.pop(slots.llm, None)) is not None:
            timer.cancel()
        first = slots.queued.first
        seconds = slots.wait_seconds(first.size_bytes, now) if first is not None else None
        if seconds is not None:
            self._timers[slots.llm] = self._start_timer(
                max(seconds, SHORTEST_TIMER_SECONDS), lambda: self._assign(slots)
            )

    def _forget_unused(self, now: float) -> None:
        """Drop LLMs that were used long ago, and have their limits whole again."""
        for key in [key for key, slots in self._slots.items() if slots.is_unused(now)]:
            del self._slots[key]


def _key(llm: LLM) -> Request:
    return Request(llm.metadata.namespace, llm.metadata.name)
