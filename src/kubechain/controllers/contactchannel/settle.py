"""A ContactChannel's next status: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kubechain.api import conditions, reasons
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.meta import Condition, StatusType
from kubechain.controllers.contactchannel.decide import ignored_blocks
from kubechain.controllers.contactchannel.outcomes import Outcome, Reachable, Rejected, Unknown
from kubechain.controllers.frame import Event, Settled, normal, readiness, warning
from kubechain.net.backoff import Backoff
from kubechain.net.foreign import cut, harmless

RETRY = Backoff(initial_seconds=5.0, max_seconds=300.0)
"""Between two checks that gave no verdict."""

REJECTED_RECHECK_SECONDS = 600.0
"""After a refusal: what the service itself must change is not seen by a watch."""

DETAIL_MAX_CHARACTERS = 1_024


def settle(channel: ContactChannel, outcome: Outcome, *, attempt: int, now: datetime) -> Settled:
    """The status that a check leads to, with what is new about it as events."""
    status, event, wait_seconds = _verdict(outcome, attempt)
    ignored = ignored_blocks(channel)
    detail = "; ".join([event.message, *([reasons.blocks_ignored(channel.spec.type, ignored)] if ignored else [])])
    changes = readiness(channel, status, reason=event.reason, message=event.message, now=now, detail=detail)
    changes["conditions"] = _with_ignored(channel, changes["conditions"], ignored, now)
    events = [] if channel.status.status_detail == detail else [event]
    if ignored and not conditions.is_true(channel.status.conditions, conditions.BLOCKS_IGNORED):
        events.append(warning(reasons.BLOCKS_IGNORED, reasons.blocks_ignored(channel.spec.type, ignored)))
    return Settled(changes, events, wait_seconds)


def _verdict(outcome: Outcome, attempt: int) -> tuple[StatusType, Event, float | None]:
    """The status, its event, and when to check again."""
    match outcome:
        case Reachable(detail):
            return StatusType.READY, normal(reasons.VALIDATION_SUCCEEDED, _shown(detail)), None
        case Rejected(detail):
            return StatusType.ERROR, warning(reasons.VALIDATION_FAILED, _shown(detail)), REJECTED_RECHECK_SECONDS
        case Unknown(detail, retry_after_seconds):
            wait_seconds = max(RETRY.seconds(attempt - 1), retry_after_seconds or 0.0)
            return (
                StatusType.PENDING,
                warning(reasons.WAITING, f"Waiting for the service: {_shown(detail)}"),
                wait_seconds,
            )


def _shown(detail: str) -> str:
    return cut(harmless(detail), DETAIL_MAX_CHARACTERS)


def _with_ignored(
    channel: ContactChannel, known: Sequence[Condition], ignored: Sequence[str], now: datetime
) -> Sequence[Condition]:
    """Say which blocks have no effect; a channel that never had any gets no such condition."""
    if not ignored and conditions.find_condition(known, conditions.BLOCKS_IGNORED) is None:
        return known
    return conditions.with_condition(
        known,
        type=conditions.BLOCKS_IGNORED,
        status=bool(ignored),
        reason=reasons.BLOCKS_IGNORED if ignored else reasons.BLOCKS_TAKEN,
        message=reasons.blocks_ignored(channel.spec.type, ignored) if ignored else "",
        now=now,
        observed_generation=channel.metadata.generation,
    )
