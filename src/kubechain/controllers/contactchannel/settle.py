"""A ContactChannel's next status: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kubechain.api import conditions, reasons
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.meta import Condition
from kubechain.controllers.contactchannel.decide import ignored_blocks
from kubechain.controllers.frame import Settled, readiness, warning
from kubechain.controllers.validation import Refuse, verdict


def settle(channel: ContactChannel, step: Refuse, now: datetime) -> Settled:
    """The status that `step` leads to, with what is new about it as events."""
    status, event = verdict(step, accepted="")
    ignored = ignored_blocks(channel)
    detail = "; ".join([event.message, *([reasons.blocks_ignored(channel.spec.type, ignored)] if ignored else [])])
    changes = readiness(channel, status, reason=event.reason, message=event.message, now=now, detail=detail)
    changes["conditions"] = _with_ignored(channel, changes["conditions"], ignored, now)
    events = [] if channel.status.status_detail == detail else [event]
    if ignored and not conditions.is_true(channel.status.conditions, conditions.BLOCKS_IGNORED):
        events.append(warning(reasons.BLOCKS_IGNORED, reasons.blocks_ignored(channel.spec.type, ignored)))
    return Settled(changes, events)


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
