"""What carrying a call out can lead to: values, so that settling them is a pure function."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubechain.controllers.inflight import Interrupted


@dataclass(frozen=True, slots=True)
class Answered:
    """The tool answered, be it with an error of its own."""

    content: str = field(repr=False)
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class NotDone:
    """Certainly nothing happened.

    Attributes:
        may_pass: Whether the same call may work later.
    """

    message: str
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class Unclear:
    """It may have happened: time-out, or the connection broke after the call was sent."""

    message: str


Outcome = Answered | NotDone | Unclear | Interrupted
