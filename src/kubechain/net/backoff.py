"""How long to wait before the next attempt: exponential, bounded, with jitter. Pure: no clock, no random source."""

from __future__ import annotations

from dataclasses import dataclass

NO_JITTER = (1.0, 1.0)
EQUAL_JITTER = (0.5, 1.0)
"""Half of the delay is fixed, half is random."""
FULL_JITTER = (0.0, 1.0)
"""Between nothing and the delay."""
ADDED_JITTER = (1.0, 2.0)
"""The delay and up to as much again; client-go's reflector does this."""

_MAX_EXPONENT = 64
"""Higher powers change nothing, since every delay is at its maximum long before, and would overflow a float."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """A delay that grows by a factor with each failed attempt, up to a maximum.

    Attributes:
        initial_seconds: Delay of attempt 0, before jitter.
        max_seconds: Longest delay, before jitter.
        factor: Growth from one attempt to the next.
        jitter: Range of the random multiplier of the delay, so that callers that failed together do not return
            together.
    """

    initial_seconds: float
    max_seconds: float
    factor: float = 2.0
    jitter: tuple[float, float] = NO_JITTER

    def seconds(self, attempt: int, random: float = 0.0) -> float:
        """Compute the delay.

        Args:
            attempt: Number of failed attempts before this one; negative counts as 0.
            random: From 0 to 1: the position in the range of `jitter`.
        """
        exponent = min(max(attempt, 0), _MAX_EXPONENT)
        delay = min(self.initial_seconds * self.factor**exponent, self.max_seconds)
        low, high = self.jitter
        return delay * (low + (high - low) * random)
