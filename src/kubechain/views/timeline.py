"""A story as a timeline: what ran when, in the run and in the runs below it, on one axis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from kubechain.views.scales import Scale, scale_of
from kubechain.views.spans import Lane, Span, spans_of
from kubechain.views.story import Story
from kubechain.views.wording import precise

ROWS = 4
"""Of one lane: spans that overlap more often than that lie on each other."""

LEAST_PERCENT = 0.35
"""Width of the shortest bar: less is not seen."""

TRACKS = 40
"""Runs that are drawn; a tree with more of them counts the others."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A span as it is drawn; `left` and `width` are percent."""

    span: Span
    left: float
    width: float

    @property
    def took(self) -> str:
        """How long, in words."""
        return precise(self.span.seconds)


@dataclass(frozen=True, slots=True)
class LaneRows:
    """The bars of one lane of a run, in rows in which none overlaps another."""

    lane: Lane
    rows: tuple[tuple[Bar, ...], ...]

    @property
    def count(self) -> int:
        """Of its bars."""
        return sum(map(len, self.rows))

    @property
    def took(self) -> str:
        """The time of its bars in all, in words."""
        return precise(sum(bar.span.seconds for row in self.rows for bar in row))


@dataclass(frozen=True, slots=True)
class Track:
    """One run of the tree."""

    story: Story
    depth: int
    lanes: tuple[LaneRows, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the axis, or a wait that is shortened there.

    Attributes:
        width: 0 for a place.
    """

    left: float
    text: str
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is drawn.

    Attributes:
        more: Runs that are left out.
    """

    tracks: tuple[Track, ...]
    ticks: tuple[Mark, ...]
    breaks: tuple[Mark, ...]
    took: str
    more: int = 0


def timeline_of(story: Story, now: datetime) -> Timeline | None:
    """The timeline of a run with the runs below it; None where nothing has begun."""
    runs = list(_runs(story, 0))
    found = [(each, depth, spans_of(each, now)) for each, depth in runs[:TRACKS]]
    spans = [span for _, _, each in found for span in each]
    if story.started_at is None or not spans:
        return None
    begin = min(story.started_at, *(span.start for span in spans))
    end = max(story.ended_at or now, *(span.end for span in spans))
    busy = [_seconds(span, begin) for span in spans if span.lane in (Lane.MODEL, Lane.TOOLS)]
    scale = scale_of(busy, (end - begin).total_seconds())
    return Timeline(
        tracks=tuple(Track(each, depth, tuple(_lanes(spans, begin, scale))) for each, depth, spans in found),
        ticks=tuple(Mark(scale.percent(tick), precise(tick)) for tick in scale.ticks()),
        breaks=tuple(_break(scale, *each) for each in scale.breaks),
        took=precise(scale.seconds),
        more=len(runs) - len(found),
    )


def _runs(story: Story, depth: int) -> Iterator[tuple[Story, int]]:
    yield story, depth
    for call in story.calls:
        if call.child is not None:
            yield from _runs(call.child, depth + 1)


def _seconds(span: Span, begin: datetime) -> tuple[float, float]:
    return (span.start - begin).total_seconds(), (span.end - begin).total_seconds()


def _break(scale: Scale, start: float, end: float) -> Mark:
    left = scale.percent(start)
    return Mark(left, precise(end - start), scale.percent(end) - left)


def _lanes(spans: Sequence[Span], begin: datetime, scale: Scale) -> Iterator[LaneRows]:
    for lane in Lane:
        bars = [_bar(span, begin, scale) for span in spans if span.lane is lane]
        if bars:
            yield LaneRows(lane, _packed(bars))


def _bar(span: Span, begin: datetime, scale: Scale) -> Bar:
    start, end = map(scale.percent, _seconds(span, begin))
    width = max(end - start, LEAST_PERCENT)
    return Bar(span, min(start, 100 - width), width)


def _packed(bars: Iterable[Bar]) -> tuple[tuple[Bar, ...], ...]:
    """Put each bar into the first row that is free; what finds none is put into the last."""
    rows = list[list[Bar]]()
    for bar in bars:
        free = next((row for row in rows if row[-1].left + row[-1].width <= bar.left + 0.01), None)
        if free is None and len(rows) < ROWS:
            free = list[Bar]()
            rows.append(free)
        (rows[-1] if free is None else free).append(bar)
    return tuple(map(tuple, rows))
