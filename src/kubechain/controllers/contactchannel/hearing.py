"""What a ContactChannel's status says about the connection that brings its answers: pure."""

from __future__ import annotations

from datetime import datetime

from kubechain.api import conditions, reasons
from kubechain.api.contactchannel import ContactChannel
from kubechain.controllers.frame import Settled, normal, warning
from kubechain.humans.listening import Hearing
from kubechain.net.foreign import cut, harmless

OPEN = "answers come by Socket Mode"
PROBLEM_MAX_CHARACTERS = 512


def is_told(channel: ContactChannel, hearing: Hearing | None) -> bool:
    """Whether the status says how the connection is; until that is known, what it said before stays."""
    known = conditions.find_condition(channel.status.conditions, conditions.LISTENING)
    if not listens(channel):
        return known is None
    if hearing is None:
        return True
    said = (conditions.condition_status(hearing.is_open), _message(hearing))
    return known is not None and (known.status, known.message) == said


def settle(channel: ContactChannel, hearing: Hearing | None, *, now: datetime) -> Settled:
    """The status that says how the connection is; without one, the condition goes."""
    if not listens(channel) or hearing is None:
        kept = tuple(one for one in channel.status.conditions if one.type != conditions.LISTENING)
        return Settled({"conditions": kept})
    message = _message(hearing)
    reason = reasons.LISTENING if hearing.is_open else reasons.NOT_LISTENING
    known = conditions.with_condition(
        channel.status.conditions,
        conditions.LISTENING,
        status=hearing.is_open,
        reason=reason,
        message=message,
        now=now,
        observed_generation=channel.metadata.generation,
    )
    return Settled({"conditions": known}, (normal(reason, message) if hearing.is_open else warning(reason, message),))


def listens(channel: ContactChannel) -> bool:
    """Whether the spec asks for a connection."""
    slack = channel.spec.slack
    return channel.spec.type == "slack" and slack is not None and slack.app_token_from is not None


def _message(hearing: Hearing) -> str:
    if hearing.is_open:
        return OPEN
    problem = cut(harmless(hearing.problem), PROBLEM_MAX_CHARACTERS)
    return f"no answers come by Socket Mode: {problem}; it is tried again, and people decide with kubectl"
