"""Which runs may call an LLM now: so many at once as it allows, first come, first served.

A run that finds no slot does not wait in a worker, where it would hold up runs that have other LLMs: it stands in
line, its reconcile ends, and it is woken when a slot is kept for it. All of this is in memory and nothing depends on
it: after a restart every run asks anew. Used by the reconciler. What must not go here: the call, and what is said.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kubechain.api.llm import LLM
from kubechain.runtime.clock import Clock
from kubechain.runtime.keys import Request

DEFAULT_LIMIT = 100
"""Calls at once where the LLM does not say: well under any provider's limit on connections."""


@dataclass(slots=True, eq=False)
class _Line:
    """The slots of one LLM, and who stands in line for one, since when."""

    llm: Request
    limit: int = DEFAULT_LIMIT
    taken: int = 0
    kept: int = 0
    waiting: dict[Request, float] = field(default_factory=dict[Request, float])

    @property
    def has_room(self) -> bool:
        return self.taken + self.kept < self.limit

    @property
    def is_idle(self) -> bool:
        return not (self.taken or self.kept or self.waiting)


class Slots:
    """The slots of all LLMs."""

    def __init__(self, wake: Callable[[Request], None], clock: Clock) -> None:
        """Start with all slots free.

        Args:
            wake: Asks for a reconcile of a run.
            clock: For how long a run has waited.
        """
        self._wake = wake
        self._clock = clock
        self._lines: dict[Request, _Line] = {}
        self._kept: dict[Request, _Line] = {}
        """Runs that were woken: each has a slot kept for it until its next reconcile is over."""

    def __len__(self) -> int:
        """Return how many LLMs are in use."""
        return len(self._lines)

    @contextmanager
    def take(self, llm: LLM, run: Request) -> Generator[bool]:
        """Hold a slot inside, if there is one for the run: yields whether there is. If not, it stands in line."""
        key = _key(llm)
        line = self._lines.setdefault(key, _Line(key))
        line.limit = llm.spec.max_concurrent_requests or DEFAULT_LIMIT
        is_taken = self._is_turn(line, run)
        line.taken += is_taken
        try:
            yield is_taken
        finally:
            line.taken -= is_taken
            self._move_up(line)

    @contextmanager
    def chance(self, run: Request) -> Generator[None]:
        """Surround a reconcile: a slot that was kept for the run and is not taken inside goes to the next in line."""
        line = self._kept.get(run)
        try:
            yield
        finally:
            if line is not None and self._kept.get(run) is line:
                self._unkeep(line, run)
                self._move_up(line)

    def waited_seconds(self, llm: LLM, run: Request) -> float:
        """How long a run has been standing in line; 0 when it is not."""
        line, now = self._lines.get(_key(llm)), self._clock.monotonic()
        return now - line.waiting.get(run, now) if line is not None else 0.0

    def _is_turn(self, line: _Line, run: Request) -> bool:
        if self._kept.get(run) is line:
            self._unkeep(line, run)
            return True
        if line.has_room and not line.waiting:
            return True
        line.waiting.setdefault(run, self._clock.monotonic())
        return False

    def _unkeep(self, line: _Line, run: Request) -> None:
        del self._kept[run]
        line.kept -= 1

    def _move_up(self, line: _Line) -> None:
        """Keep the free slots for the first in line and wake them; forget the line once nobody uses it."""
        while line.waiting and line.has_room:
            run = next(iter(line.waiting))
            del line.waiting[run]
            self._kept[run] = line
            line.kept += 1
            self._wake(run)
        if line.is_idle and self._lines.get(line.llm) is line:
            del self._lines[line.llm]


def _key(llm: LLM) -> Request:
    return Request(llm.metadata.namespace, llm.metadata.name)
