"""The slots of one LLM: who calls it, who is queued, and what its provider allows. No timers, no wakes: `llmqueue`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from kubechain.api.llm import LLM
from kubechain.controllers.taskrun.circuit import Circuit
from kubechain.controllers.taskrun.fairqueue import FairQueue
from kubechain.controllers.taskrun.outcomes import Answered, Deferred, Refused
from kubechain.controllers.taskrun.pace import Pace
from kubechain.runtime.keys import Request

ROUNDED_PLACES = (0, 9, 99)
"""A place is told as the smallest of these that is not below it, so that a status is not written for each step."""

FAR_BACK = 100
"""Told to the runs behind all of these."""


class Obstacle(Enum):
    """What the first run of a queue waits for."""

    SLOTS = "all its slots are taken (maxConcurrentRequests)"
    REDUCED = "its provider takes fewer calls at once than maxConcurrentRequests"
    RATE = "its rateLimit is reached"
    HELD = "its provider asks to wait"
    USED_UP = "its provider's own rate limit is used up until it resets"
    CIRCUIT = "its circuit is open"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is in the queue.

    Attributes:
        ahead: At most so many runs are before it; `FAR_BACK` for so many or more.
        detail: Of the failure, where the circuit is open.
    """

    ahead: int
    obstacle: Obstacle
    detail: str = ""

    @staticmethod
    def rounded(ahead: int) -> int:
        """The number that a status says for so many runs."""
        return next((most for most in ROUNDED_PLACES if ahead <= most), FAR_BACK)

    @property
    def is_outage(self) -> bool:
        """Whether the run waits for the provider, and not for other runs or for what its own limits allow."""
        return self.obstacle in (Obstacle.HELD, Obstacle.CIRCUIT)

    @property
    def text(self) -> str:
        """Place and cause, in words."""
        cause = f"{self.obstacle.value}: {self.detail}" if self.detail else self.obstacle.value
        if self.ahead == 0:
            return f"next in its queue; {cause}"
        before = f"at most {self.ahead}" if self.ahead < FAR_BACK else f"{FAR_BACK} or more"
        return f"queued behind {before} runs; {cause}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an LLM is of no use now.

    Attributes:
        seconds: For how long; None where that depends on a call that is in flight.
    """

    text: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may be made, or is."""

    size_bytes: int
    started_at: float
    is_trial: bool


@dataclass(slots=True, eq=False)
class Slots:
    """The slots of one LLM.

    Attributes:
        calls: The calls in flight, by their runs.
        reserved: How many slots are reserved for runs that were woken.
        queued: The runs that wait.
        is_tried: Whether the trial call of an open circuit is reserved or in flight.
    """

    llm: Request
    generation: int = 0
    uid: str = ""
    pace: Pace = field(default_factory=Pace)
    circuit: Circuit = field(default_factory=Circuit)
    calls: dict[Request, Call] = field(default_factory=dict[Request, Call])
    reserved: int = 0
    queued: FairQueue = field(default_factory=FairQueue)
    is_tried: bool = False

    def configure(self, llm: LLM, now: float, share: Callable[[int], int]) -> bool:
        """Take the LLM as it is; returns whether it was edited, so that what its provider showed counts no longer.

        Args:
            share: This process's part of a limit.
        """
        version = (llm.metadata.uid, llm.metadata.generation)
        is_edited = (self.uid, self.generation) not in (version, ("", 0))
        if is_edited:
            self.circuit, self.pace, self.is_tried = Circuit(), Pace(), False
        self.uid, self.generation = version
        self.pace.configure(llm.spec, now, share)
        return is_edited

    def is_unused(self, now: float) -> bool:
        """Whether nothing would be lost without this record."""
        is_idle = not (self.calls or self.reserved or self.queued)
        return is_idle and self.circuit.is_fresh and self.pace.is_fresh(now)

    @property
    def has_slot(self) -> bool:
        """Whether one more call may be in flight."""
        return len(self.calls) + self.reserved < self.pace.allowed

    def may_try(self, now: float) -> bool:
        """Whether the trial call of an open circuit is due."""
        return not self.is_tried and self.circuit.wait_seconds(now) == 0

    def wait_seconds(self, size_bytes: int, now: float) -> float | None:
        """How long until a call of this size may start; None while that depends on other calls."""
        if not self.has_slot or (self.circuit.is_open and self.is_tried):
            return None
        return max(self.pace.wait_seconds(size_bytes, now), self.circuit.wait_seconds(now))

    def begin(self, size_bytes: int, now: float) -> Call:
        """Count a call that may start now."""
        call = Call(size_bytes, now, is_trial=self.circuit.is_open)
        self.is_tried = self.is_tried or call.is_trial
        self.pace.take(size_bytes)
        return call

    def cancel(self, call: Call) -> None:
        """Give back a reserved slot that was not used."""
        self.reserved -= 1
        self.pace.give_back(call.size_bytes)
        self.is_tried = self.is_tried and not call.is_trial

    def end(self, run: Request) -> None:
        """Free the slot of a call."""
        call = self.calls.pop(run)
        self.is_tried = self.is_tried and not call.is_trial

    def place(self, run: Request, now: float) -> Place:
        """How many runs are before this one, and what the first of the queue waits for."""
        ahead = self.queued.ahead(run)
        if (waiting := self.queued.get(run)) is not None:
            waiting.told = Place.rounded(ahead)
        return Place(Place.rounded(ahead), *self._obstacle(now))

    def _obstacle(self, now: float) -> tuple[Obstacle, str]:
        if self.circuit.is_open:
            return Obstacle.CIRCUIT, self.circuit.detail
        if self.pace.held_until > now:
            return Obstacle.HELD, ""
        if self.pace.used_up_until > now:
            return Obstacle.USED_UP, ""
        if not self.has_slot:
            return (Obstacle.REDUCED if self.pace.is_reduced else Obstacle.SLOTS), ""
        return Obstacle.RATE, ""

    def learn(self, run: Request, outcome: Answered | Deferred | Refused, now: float) -> None:
        """Take note of how a call ended."""
        call = self.calls.get(run)
        if call is None:
            return
        match outcome:
            case Answered(completion):
                self.circuit.answered()
                self.pace.answered(call.size_bytes, completion.usage.total_tokens)
                if completion.used_up_for_seconds is not None:
                    self.pace.used_up(completion.used_up_for_seconds, now)
            case Deferred(is_rate_limited=True, retry_after_seconds=asked):
                self.pace.limited(
                    started_at=call.started_at, in_flight=len(self.calls), retry_after_seconds=asked, now=now
                )
            case Deferred(is_provider_failing=True, message=detail, retry_after_seconds=asked):
                self.circuit.failed(detail, now, is_trial=call.is_trial)
                self.pace.hold(asked or 0.0, now)
            case Refused(refusal=None):
                self.circuit.answered()  # it refuses this very request: it works
            case Deferred() | Refused():
                pass
