"""What was read by name and no watch follows: how long it counts, and when to look again. No requests here.

A reading is used for a minute at most. One that its reader cannot use as it is, such as a Secret that does not exist or
whose key is refused, is due again after about as long as it has been so, from one second up to a minute.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from kubechain.runtime.clock import Clock
from kubechain.runtime.keys import Request

T = TypeVar("T")

FRESH_SECONDS = 60.0
"""The longest that a change can go unnoticed by who uses what was read."""

LOOK_AGAIN_FIRST_SECONDS, LOOK_AGAIN_MAX_SECONDS = 1.0, 60.0
"""Between two looks at what cannot be used as it is: the shortest and the longest pause."""

READINGS_MAX = 1_000
"""Bounds memory where each tenant has a key; beyond it the least recently used is read again."""


@dataclass(slots=True)
class Reading(Generic[T]):
    """One object as it was read.

    Attributes:
        version: Its resourceVersion; None where there was no such object.
        read_at: When it was read last, monotonic.
        since: When it was first read in this version.
        counts_until: When it must be read again, whoever asks.
    """

    value: T
    version: str | None
    read_at: float
    since: float
    counts_until: float

    @property
    def due_at(self) -> float:
        """When it is read again by those who cannot use it as it is."""
        pause = min(max(self.read_at - self.since, LOOK_AGAIN_FIRST_SECONDS), LOOK_AGAIN_MAX_SECONDS)
        return min(self.read_at + pause, self.counts_until)


class Readings(Generic[T]):
    """The last reading of each object."""

    def __init__(self, clock: Clock) -> None:
        """Create it without readings."""
        self._clock = clock
        self._held: OrderedDict[Request, Reading[T]] = OrderedDict()

    def get(self, key: Request) -> Reading[T] | None:
        """The last reading, old as it may be."""
        return self._held.get(key)

    def version(self, key: Request) -> str | None:
        """The version that was read last; None where there was none."""
        reading = self._held.get(key)
        return reading.version if reading is not None else None

    def fresh(self, key: Request, *, is_unusable: bool = False) -> Reading[T] | None:
        """The last reading where it still counts.

        Args:
            is_unusable: Whether who asks cannot use the object as it was read.
        """
        reading = self._held.get(key)
        if reading is None:
            return None
        self._held.move_to_end(key)
        until = reading.due_at if is_unusable else reading.counts_until
        return reading if self._clock.monotonic() < until else None

    def keep(self, key: Request, value: T, version: str | None) -> bool:
        """Keep what was read; return whether it differs from the reading before."""
        now, before = self._clock.monotonic(), self._held.get(key)
        is_same = before is not None and before.version == version
        since = before.since if before is not None and is_same else now
        self._held[key] = Reading(value, version, read_at=now, since=since, counts_until=now + FRESH_SECONDS)
        self._held.move_to_end(key)
        if len(self._held) > READINGS_MAX:
            self._held.popitem(last=False)
        return before is not None and not is_same

    def doubt(self, key: Request, *, older_than_seconds: float) -> bool:
        """Have an object read again at its next use, unless it was read just now; return whether it will be."""
        if (reading := self._held.get(key)) is None:
            return True
        reading.counts_until = min(reading.counts_until, reading.read_at + older_than_seconds)
        return reading.counts_until <= self._clock.monotonic()

    def look_again_seconds(self, key: Request) -> float:
        """Until who cannot use an object as it was read should look at it again."""
        if (reading := self._held.get(key)) is None:
            return LOOK_AGAIN_FIRST_SECONDS
        return max(0.0, reading.due_at - self._clock.monotonic())
