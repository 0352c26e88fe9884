"""Where a time stands on an axis on which long waits take little room."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Interval = tuple[float, float]
"""From and to, in seconds since the begin of the axis."""

IDLE_SECONDS = 20.0
"""A wait below this length is shown as long as it was."""

IDLE_SHARE = 0.5
"""So is one below this share of the time in which something happened."""

BREAK_SHARE = 0.08
"""The room of a wait that is shortened, as a share of the time in which something happened."""

TICKS = 6
"""About as many labels as an axis has."""

TICK_GAP_PERCENT = 9.0
"""Least distance between two labels."""

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800)


@dataclass(frozen=True, slots=True)
class Scale:
    """From seconds to percent of the width.

    Attributes:
        points: Pairs of seconds and percent, both rising; linear in between.
        breaks: The waits that are shortened.
    """

    points: tuple[tuple[float, float], ...]
    breaks: tuple[Interval, ...] = ()

    @property
    def seconds(self) -> float:
        """The whole length."""
        return self.points[-1][0]

    def percent(self, seconds: float) -> float:
        """Where a time stands; times outside are at the ends."""
        place = bisect_right(self.points, seconds, key=lambda point: point[0])
        if place in (0, len(self.points)):
            return self.points[min(place, len(self.points) - 1)][1]
        (before, left), (after, right) = self.points[place - 1], self.points[place]
        return left + (right - left) * (seconds - before) / (after - before)

    def ticks(self) -> list[float]:
        """Times to label, in seconds: round ones where something happened."""
        shown = self.seconds - sum(end - start for start, end in self.breaks)
        step = next((each for each in _STEPS if each * TICKS >= shown), shown / TICKS or 1.0)
        found, last = list[float](), -TICK_GAP_PERCENT
        for start, end in self._shown():
            for number in range(int(-(-start // step)), int(end // step) + 1):
                if self.percent(number * step) - last >= TICK_GAP_PERCENT:
                    found.append(number * step)
                    last = self.percent(number * step)
        return found

    def _shown(self) -> Iterator[Interval]:
        start = 0.0
        for from_, to in self.breaks:
            yield start, from_
            start = to
        yield start, self.seconds


def scale_of(busy: Iterable[Interval], seconds: float) -> Scale:
    """A scale for a time in which something happens in some intervals, which may overlap.

    Args:
        seconds: The whole length.
    """
    seconds = max(seconds, 0.001)
    idle = list(_idle(sorted(busy), seconds))
    active = seconds - sum(end - start for start, end in idle)
    breaks = [each for each in idle if each[1] - each[0] >= max(IDLE_SECONDS, IDLE_SHARE * active)]
    shown = seconds - sum(end - start for start, end in breaks)
    room = BREAK_SHARE * max(shown, 1.0)
    return Scale(tuple(_points(breaks, seconds, room, shown + room * len(breaks))), tuple(breaks))


def _idle(busy: Sequence[Interval], seconds: float) -> Iterator[Interval]:
    """The intervals in which nothing happens."""
    reached = 0.0
    for start, end in busy:
        if start > reached:
            yield reached, min(start, seconds)
        reached = max(reached, end)
    if reached < seconds:
        yield reached, seconds


def _points(breaks: Sequence[Interval], seconds: float, room: float, width: float) -> Iterator[tuple[float, float]]:
    at, place = 0.0, 0.0
    yield 0.0, 0.0
    for start, end in breaks:
        place += start - at
        if start > 0:
            yield start, 100 * place / width
        place += room
        at = end
        yield end, 100 * place / width
    if at < seconds:
        yield seconds, 100.0
