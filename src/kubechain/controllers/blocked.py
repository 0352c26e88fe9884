"""An object that cannot go on for a reason that may pass: since when, when it tries again, when it gives up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kubechain.api.meta import time_text
from kubechain.net.backoff import Backoff
from kubechain.net.foreign import cut

RETRY = Backoff(initial_seconds=1.0, max_seconds=8.0)
"""Between two tries; the longest is short, because no watch says that a quota, a policy or a role was changed."""

TEXT_MAX_CHARACTERS = 900
"""Limit of what is told, so that `statusDetail` has room for the times after it."""


@dataclass(frozen=True, slots=True)
class Block:
    """What keeps an object from going on.

    Attributes:
        since: When it was met first; the object's status keeps it.
        now: When it was met again.
        limit_seconds: How long the object goes on trying.
    """

    since: datetime
    now: datetime
    limit_seconds: float

    @property
    def left_seconds(self) -> float:
        """How long the object may still try."""
        return (self.ends_at - self.now).total_seconds()

    @property
    def ends_at(self) -> datetime:
        """When the object gives up."""
        return self.since + timedelta(seconds=self.limit_seconds)

    @property
    def is_over(self) -> bool:
        """Whether the object has tried for long enough."""
        return self.left_seconds <= 0

    @property
    def retry_seconds(self) -> float:
        """Until the next try: about as long as it has lasted so far, within bounds."""
        lasted = (self.now - self.since).total_seconds()
        return max(RETRY.initial_seconds, min(lasted, RETRY.max_seconds, self.left_seconds))

    def told(self, text: str) -> str:
        """What the status says meanwhile."""
        return f"{cut(text, TEXT_MAX_CHARACTERS)}; trying again until {time_text(self.ends_at)}"

    def given_up(self, text: str) -> str:
        """What the status says in the end."""
        return f"{cut(text, TEXT_MAX_CHARACTERS)}; given up after {self.limit_seconds:g} s (limits.retryFor)"


def block_of(blocked_since: datetime | None, now: datetime, limit_seconds: float) -> Block:
    """The block of an object, given what its status says of it.

    Args:
        blocked_since: None when it begins now.
        now: The time.
        limit_seconds: How long the object goes on trying.
    """
    return Block(blocked_since or now, now, limit_seconds)
