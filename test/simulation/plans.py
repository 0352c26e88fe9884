"""What goes wrong in one run of a scenario: a value that prints, parses and can be repeated.

none            nothing: the reference run
before-7        the process dies before W point 7
after-7         the process dies after W point 7
lost-7          W point 7 takes effect, its reply is lost
freeze-120      the process stops at its 120th step for two minutes, as after SIGSTOP, and goes on
stale-31        the caches stand still at revision 31 for a while
storm           watches are closed, doubled, delayed and expired (410) at random
errors          three of ten requests fail: 409, 429, 500, 503, time-outs before and after they take effect
chaos           storm and errors together
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

PointFault = Literal["before", "after", "lost"]
NumberedFault = Literal["before", "after", "lost", "freeze", "stale"]
Fault = Literal["none", "before", "after", "lost", "freeze", "stale", "storm", "errors", "chaos"]

POINT_FAULTS: tuple[PointFault, ...] = get_args(PointFault)
_NUMBERED: tuple[str, ...] = get_args(NumberedFault)
_ALL: tuple[str, ...] = get_args(Fault)


@dataclass(frozen=True, slots=True, order=True)
class Plan:
    """One way to go wrong.

    Attributes:
        at: W point, step or revision, for the faults that happen at one.
    """

    fault: Fault
    at: int = 0

    def __str__(self) -> str:
        return f"{self.fault}-{self.at}" if self.fault in _NUMBERED else self.fault

    @property
    def is_at_a_point(self) -> bool:
        """Whether it breaks one W point."""
        return self.fault in POINT_FAULTS

    @property
    def ends_a_process(self) -> bool:
        """Whether a process dies."""
        return self.fault in ("before", "after")


REFERENCE = Plan("none")


def parse(text: str) -> Plan:
    """Read what ``str`` of a plan gives.

    Raises:
        ValueError: It is no plan.
    """
    fault, _, at = text.partition("-")
    if fault not in _ALL or bool(at) != (fault in _NUMBERED):
        raise ValueError(f'plan: "{text}" is none')
    return Plan(fault, int(at or 0))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
