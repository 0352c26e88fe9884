"""When the messages of a request are due: the first one, the reminder, and the one to the second channel. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kubechain.api.approval import PinnedApproval
from kubechain.api.contactchannel import ContactChannel
from kubechain.net.durations import duration_seconds


@dataclass(frozen=True, slots=True)
class Due:
    """A message that people are to get.

    Attributes:
        channel: Name of the ContactChannel.
        at: When; None for at once.
        is_reminder: Whether the channel has carried the request before.
        contact: The channel; None where there is no such object.
    """

    channel: str
    at: datetime | None = None
    is_reminder: bool = False
    contact: ContactChannel | None = None


def messages(channel: str, terms: PinnedApproval | None, created_at: datetime | None) -> tuple[Due, ...]:
    """The messages of a request, in the order of their channels.

    Args:
        channel: By which people are asked first; empty for none.
        terms: Those of the tool; None where they say nothing about this request.
        created_at: When the request was made.
    """
    first = (Due(channel),) if channel else ()
    if terms is None:
        return first
    remind_at = reminder_at(terms, created_at)
    reminder = (Due(channel, remind_at, is_reminder=True),) if channel and remind_at is not None else ()
    second = terms.escalate_to
    if second is None or second.channel == channel:
        return (*first, *reminder)
    return (*first, *reminder, Due(second.channel, _after(created_at, second.after)))


def reminder_at(terms: PinnedApproval | None, created_at: datetime | None) -> datetime | None:
    """When people are reminded; None for never."""
    return _after(created_at, terms.remind_after) if terms is not None and terms.remind_after is not None else None


def _after(created_at: datetime | None, duration: str) -> datetime | None:
    seconds = duration_seconds(duration)
    return created_at + timedelta(seconds=seconds) if created_at is not None and seconds is not None else None
