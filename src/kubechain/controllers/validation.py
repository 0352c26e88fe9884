"""The verdict on an object that only refers to others: usable, not yet, or not at all. Shared by Agent and Tool."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api import reasons
from kubechain.api.meta import StatusType
from kubechain.controllers.frame import Event, normal, warning


@dataclass(frozen=True, slots=True)
class Accept:
    """Everything that the object refers to is there and ready."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Something is there but not ready yet."""

    detail: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Something is missing or wrong, and a person has to act."""

    detail: str


Step = Accept | Wait | Refuse


def verdict(step: Step, *, accepted: str) -> tuple[StatusType, Event]:
    """How ready the object is, and what people read about it.

    Args:
        accepted: The kind's own words for an object that can be used.
    """
    match step:
        case Accept():
            return StatusType.READY, normal(reasons.VALIDATION_SUCCEEDED, accepted)
        case Wait(detail):
            return StatusType.PENDING, normal(reasons.WAITING, detail)
        case Refuse(detail):
            return StatusType.ERROR, warning(reasons.VALIDATION_FAILED, detail)
