"""A HumanRequest's next status: pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api import reasons
from kubechain.api.approval import AskedOfPerson
from kubechain.api.conditions import confirmed, with_condition
from kubechain.api.humanrequest import DECIDED, HumanRequest, HumanRequestPhase
from kubechain.controllers import decisions
from kubechain.controllers.frame import Settled, normal
from kubechain.controllers.humanrequest.deliveries import reminded, told
from kubechain.controllers.humanrequest.steps import Close, Expire, Remind, TellOfChannel, Withdraw
from kubechain.net.foreign import cut, harmless

DETAIL_MAX_CHARACTERS = 1_024


def settle(request: HumanRequest, step: TellOfChannel | Remind | Close | Expire | Withdraw, now: datetime) -> Settled:
    """The status that a step leads to, with its event."""
    match step:
        case TellOfChannel():
            return told(request, step, now)
        case Remind(message):
            return reminded(request, message, now)
        case Close(asked):
            return _closed(request, asked, now)
        case Expire():
            late = ", and a decision that came later does not count" if request.spec.decision else ""
            return _over(request, HumanRequestPhase.EXPIRED, reasons.EXPIRED, f"Nobody decided in time{late}", now)
        case Withdraw(message):
            return _over(request, HumanRequestPhase.WITHDRAWN, reasons.WITHDRAWN, f"Withdrawn: {message}", now)


def _closed(request: HumanRequest, asked: AskedOfPerson, now: datetime) -> Settled:
    text = f"{asked.choice} by {decisions.author(asked)} ({asked.identity})"
    settled = _over(request, HumanRequestPhase.DECIDED, reasons.DECIDED, text, now, is_decided=True)
    decided: dict[str, Any] = {"decided_at": asked.at, "identity": asked.identity}
    return Settled(settled.status | decided, settled.events)


def _over(
    request: HumanRequest,
    phase: HumanRequestPhase,
    reason: str,
    message: str,
    now: datetime,
    *,
    is_decided: bool = False,
) -> Settled:
    text = cut(harmless(message), DETAIL_MAX_CHARACTERS)
    known = with_condition(
        request.status.conditions,
        DECIDED,
        status=is_decided,
        reason=reason,
        message=text,
        now=now,
        observed_generation=request.metadata.generation,
    )
    told = confirmed(known, request.metadata.generation)
    return Settled({"phase": phase, "status_detail": text, "conditions": told}, (normal(reason, text),))
