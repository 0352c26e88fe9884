"""Whether a call needs a person's approval, by its tool and by the policies, and until when: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubechain.api.approval import DEFAULT_EXPIRE_AFTER, NEVER, DecisionChoice, PinnedApproval
from kubechain.api.approvalpolicy import ApprovalPolicy, PolicyAction
from kubechain.net.durations import duration_seconds

LONGEST_SECONDS = 100 * 365 * 86_400.0
"""What is longer than that is never."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A person must approve the call.

    Attributes:
        expiries: How long each that wants it gives a person to decide; None is the default.
        policies: Those that want it.
    """

    expiries: tuple[str | None, ...]
    policies: tuple[ApprovalPolicy, ...] = ()

    @property
    def takes_grants(self) -> bool:
        """Whether an approval for the rest of the run is enough: not where a policy is about the arguments."""
        return all(one.spec.arguments is None for one in self.policies)

    @property
    def choices(self) -> tuple[DecisionChoice, ...]:
        """What a person may choose."""
        choices = (DecisionChoice.APPROVE, DecisionChoice.REJECT)
        return (*choices, DecisionChoice.APPROVE_FOR_RUN) if self.takes_grants else choices

    def expires_at(self, now: datetime) -> datetime | None:
        """When a request that is made now expires, the shortest time of all that want it; None is never."""
        limits = [seconds for text in self.expiries if (seconds := _seconds(text)) is not None]
        return now + timedelta(seconds=min(limits)) if limits else None


def requirement(terms: PinnedApproval | None, policies: Sequence[ApprovalPolicy]) -> Requirement | None:
    """What must be met before a call; None where nobody wants approval.

    Args:
        terms: Those of the tool.
        policies: Those that are about the call.
    """
    wanting = tuple(one for one in policies if one.spec.action == PolicyAction.REQUIRE)
    if terms is None and not wanting:
        return None
    own = (terms.expire_after,) if terms is not None else ()
    return Requirement((*own, *(one.spec.expire_after for one in wanting)), wanting)


def denial(policies: Sequence[ApprovalPolicy]) -> str:
    """Why the policies refuse a call; empty where they do not."""
    denying = [one for one in policies if one.spec.action == PolicyAction.DENY]
    if not denying:
        return ""
    said = denying[0].spec.message
    return f'ApprovalPolicy "{denying[0].metadata.name}" refuses the call' + (f": {said}" if said else "")


def _seconds(text: str | None) -> float | None:
    """A time limit in seconds; None for never, and the default for a text that is none."""
    if text == NEVER:
        return None
    seconds = duration_seconds(text) if text is not None else None
    if seconds is None:
        seconds = duration_seconds(DEFAULT_EXPIRE_AFTER)
    return seconds if seconds is not None and seconds < LONGEST_SECONDS else None
