"""Exponential backoff with a maximum and jitter. Pure: the caller supplies the random number."""

from __future__ import annotations

from dataclasses import dataclass

NO_JITTER = (1.0, 1.0)
EQUAL_JITTER = (0.5, 1.0)
"""From half of the delay to the whole delay."""
FULL_JITTER = (0.0, 1.0)
"""From zero to the whole delay."""
ADDED_JITTER = (1.0, 2.0)
"""From the whole delay to twice the delay, as in client-go's reflector."""

_MAX_EXPONENT = 64
"""Bounds the power, which would overflow a float. Every delay reaches its maximum at a much lower exponent."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """A delay that grows by a factor with each failed attempt, up to a maximum.

    Attributes:
        initial_seconds: Delay of attempt 0, before jitter.
        max_seconds: Longest delay, before jitter.
        factor: Growth from one attempt to the next.
        jitter: Range of the random multiplier of the delay. It spreads the retries of callers that failed at the same
            time.
    """

    initial_seconds: float
    max_seconds: float
    factor: float = 2.0
    jitter: tuple[float, float] = NO_JITTER

    def seconds(self, attempt: int, random: float = 0.0) -> float:
        """Compute the delay.

        Args:
            attempt: Number of failed attempts before this one; negative counts as 0.
            random: Position in the range of `jitter`, from 0 to 1.
        """
        exponent = min(max(attempt, 0), _MAX_EXPONENT)
        delay = min(self.initial_seconds * self.factor**exponent, self.max_seconds)
        low, high = self.jitter
        return delay * (low + (high - low) * random)
