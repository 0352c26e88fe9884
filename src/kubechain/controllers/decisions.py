"""What a person's decision is worth to the object that asked: shared by all that ask. Pure.

What asks (a tool call, a run) keeps in its status what it asked, an `AskedOfPerson`; the HumanRequest carries the
decision. The first decision that is recorded counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from kubechain.api.approval import DEFAULT_EXPIRE_AFTER, AskedOfPerson
from kubechain.api.humanrequest import Decision
from kubechain.api.meta import time_text
from kubechain.controllers.authority import Enforcement, identity_of
from kubechain.net.durations import duration_seconds
from kubechain.net.foreign import cut, harmless

UNVERIFIED = "the decision does not count, since its author is not verified: {}"

AskedT = TypeVar("AskedT", bound=AskedOfPerson)


@dataclass(frozen=True, slots=True)
class Judge:
    """What the worth of a decision depends on, beside the decision.

    Attributes:
        enforcement: Whether the API server holds who decides; None where that was not read.
        requires_verified: Whether only decisions count whose author the API server verified.
    """

    enforcement: Enforcement | None = None
    requires_verified: bool = False

    def recorded(self, asked: AskedT, decision: Decision, now: datetime) -> AskedT:
        """What was asked, with the decision."""
        return asked.with_changes(
            choice=decision.choice,
            by=decision.by,
            through=decision.through,
            at=now,
            identity=identity_of(decision, self._known),
            comment=decision.comment,
        )

    def flaw(self, asked: AskedOfPerson, decision: Decision, another: str) -> str:
        """Why a decision does not count; empty where it does.

        Args:
            another: What is said of a decision about something else.
        """
        if self.requires_verified and not self._known.is_in_force:
            return UNVERIFIED.format(self._known.weakness)
        return "" if decision.digest == asked.digest else another

    @property
    def _known(self) -> Enforcement:
        return self.enforcement or Enforcement("not known")


def is_over(asked: AskedOfPerson, now: datetime) -> bool:
    """Whether the time to decide has passed."""
    return asked.expires_at is not None and now >= asked.expires_at


def left_seconds(asked: AskedOfPerson, now: datetime) -> float | None:
    """How long a person may still decide; None where the request never expires."""
    return None if asked.expires_at is None else (asked.expires_at - now).total_seconds()


def end_of(asked: AskedOfPerson) -> str:
    """When the time to decide ends, as people read it."""
    return time_text(asked.expires_at) if asked.expires_at is not None else ""


def reply_of(decision: Decision) -> str:
    """What a person told: the answer; their comment where they wrote nothing else."""
    return decision.answer if decision.answer is not None else decision.comment or ""


def author(asked: AskedOfPerson) -> str:
    """Who decided, as people read it."""
    return cut(harmless(asked.by or "somebody who gave no name"))


def default_expiry(now: datetime) -> datetime:
    """When a request that is made now expires, where nobody says otherwise."""
    seconds = duration_seconds(DEFAULT_EXPIRE_AFTER)
    assert seconds is not None, "the default is a duration"
    return now + timedelta(seconds=seconds)
