"""The result of validating an object that only refers to others: it can be used, not yet, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api import reasons
from kubechain.api.meta import StatusType
from kubechain.controllers.frame import Event, normal, warning


@dataclass(frozen=True, slots=True)
class Accept:
    """Everything that the object refers to exists and is ready."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Something exists but is not ready yet."""

    detail: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Something is missing or wrong, and a person has to act."""

    detail: str


Step = Accept | Wait | Refuse


def verdict(step: Step, *, accepted: str) -> tuple[StatusType, Event]:
    """The status and the event that a step leads to.

    Args:
        accepted: The message for an object that can be used.
    """
    match step:
        case Accept():
            return StatusType.READY, normal(reasons.VALIDATION_SUCCEEDED, accepted)
        case Wait(detail):
            return StatusType.PENDING, normal(reasons.WAITING, detail)
        case Refuse(detail):
            return StatusType.ERROR, warning(reasons.VALIDATION_FAILED, detail)
