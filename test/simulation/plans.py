"""What goes wrong in one run of a scenario: a value that prints, parses and can be repeated.

none            nothing: the reference run
before-7        the process dies before W point 7
after-7         the process dies after W point 7
lost-7          W point 7 takes effect, its reply is lost
stop-7          the process is told to stop in order (SIGTERM) while it is at W point 7, and another one starts
freeze-120      whoever makes the 120th step of all processes stands still, as after SIGSTOP, and goes on much later
cut-120         the process that makes the 120th step loses the API server, goes on without it, and finds it again later
stale-31        the caches stand still at revision 31 for a while
behind-31       the caches of TaskRuns alone do, while everything else is fresh
storm-2         watches are closed, doubled, delayed, expired (410) and compacted away at random
errors-2        three of ten requests fail: 409, 429, 500, 503, time-outs before and after they take effect
chaos-2         storm and errors together
crashes-2       each W point may be one where a process dies, is stopped or gets no reply, again and again
mayhem-2        storm, errors and crashes together
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

PointFault = Literal["before", "after", "lost", "stop"]
RandomFault = Literal["storm", "errors", "chaos", "crashes", "mayhem"]
Fault = Literal["none", PointFault, "freeze", "cut", "stale", "behind", RandomFault]

POINT_FAULTS: tuple[PointFault, ...] = get_args(PointFault)
RANDOM_FAULTS: tuple[RandomFault, ...] = get_args(RandomFault)


@dataclass(frozen=True, slots=True, order=True)
class Plan:
    """One way to go wrong.

    Attributes:
        at: W point, step or revision; of the random ones, which of many.
    """

    fault: Fault
    at: int = 0

    def __str__(self) -> str:
        return self.fault if self == REFERENCE else f"{self.fault}-{self.at}"

    @property
    def is_at_a_point(self) -> bool:
        """Whether it breaks one W point."""
        return self.fault in POINT_FAULTS

    @property
    def has_storms(self) -> bool:
        """Whether watches fail at random."""
        return self.fault in ("storm", "chaos", "mayhem")

    @property
    def has_errors(self) -> bool:
        """Whether requests fail at random."""
        return self.fault in ("errors", "chaos", "mayhem")

    @property
    def has_crashes(self) -> bool:
        """Whether W points are broken at random."""
        return self.fault in ("crashes", "mayhem")

    @property
    def loses_replies(self) -> bool:
        """Whether something takes effect that nobody hears of."""
        return self.fault == "lost" or self.has_crashes

    @property
    def ends_a_process(self) -> bool:
        """Whether a process dies, or is stopped."""
        return self.fault in ("before", "after", "stop") or self.has_crashes


REFERENCE = Plan("none")


def parse(text: str) -> Plan:
    """Read what `str` of a plan gives.

    Raises:
        ValueError: It is no plan.
    """
    fault, _, at = text.partition("-")
    if text == str(REFERENCE):
        return REFERENCE
    if fault not in get_args(Fault) or fault == REFERENCE.fault or not at.isdecimal():
        raise ValueError(f'plan: "{text}" is none')
    return Plan(fault, int(at))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
