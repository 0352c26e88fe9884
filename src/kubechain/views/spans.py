"""When a run did what: its model calls, tools, waits for people and runs below it, as spans of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kubechain.api.taskrun import ToolCallType
from kubechain.views.lines import Tone
from kubechain.views.story import Asked, Call, Story, Turn, WaitKind
from kubechain.views.wording import brief

LABEL_CHARACTERS = 60


class Lane(StrEnum):
    """Where a span is shown."""

    MODEL = "Model"
    TOOLS = "Tools"
    PEOPLE = "People"
    AGENTS = "Agents"


@dataclass(frozen=True, slots=True)
class Span:
    """One thing that took time.

    Attributes:
        anchor: Of what it belongs to in the conversation, as `entry_anchor` and `call_anchor` give it.
        is_open: Whether it goes on; `end` is now.
    """

    lane: Lane
    start: datetime
    end: datetime
    label: str
    anchor: str
    tone: Tone = Tone.PLAIN
    is_open: bool = False

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return max((self.end - self.start).total_seconds(), 0.0)


def entry_anchor(story: Story, index: int) -> str:
    """Where an entry of a run's conversation is found on a page."""
    return f"{story.name}.{index}"


def call_anchor(story: Story, index: int, place: int) -> str:
    """Where the call at a place of an entry is found on a page."""
    return f"{story.name}.{index}.{place}"


def spans_of(story: Story, now: datetime) -> list[Span]:
    """The spans of a run, without those of the runs below it; ordered by lane and start."""
    found = [*_of_model(story, now), *_of_calls(story, now), *_of_people(story.asked, story.name, now)]
    lanes = list(Lane)
    return sorted(found, key=lambda span: (lanes.index(span.lane), span.start, span.end))


def _of_model(story: Story, now: datetime) -> Iterator[Span]:
    """Model calls: as recorded, or between the tool calls before and after where no record is kept."""
    since = story.started_at
    turns = [(index, turn) for index, turn in enumerate(story.entries) if isinstance(turn, Turn) and turn.number]
    for index, turn in turns:
        start, end = turn.started_at or since, turn.ended_at or _first_start(turn)
        if end is None and turn is turns[-1][1]:
            end = story.ended_at
        if start is not None and end is not None:
            label = f"turn {turn.number}{f' on {turn.llm}' if turn.llm else ''}"
            yield Span(Lane.MODEL, start, max(start, end), label, entry_anchor(story, index))
        since = max((call.ended_at for call in turn.calls if call.ended_at is not None), default=end)
    for wait in story.waits:
        if wait.kind is WaitKind.MODEL and wait.who == f"taskrun/{story.name}" and wait.since is not None:
            end = max(now, wait.since)
            yield Span(Lane.MODEL, wait.since, end, f"turn {len(turns) + 1}", story.name, is_open=True)


def _first_start(turn: Turn) -> datetime | None:
    return min((call.started_at for call in turn.calls if call.started_at is not None), default=None)


def _of_calls(story: Story, now: datetime) -> Iterator[Span]:
    for index, turn in enumerate(story.entries):
        for place, call in enumerate(turn.calls if isinstance(turn, Turn) else ()):
            yield from _of_call(call, call_anchor(story, index, place), now)


def _of_call(call: Call, anchor: str, now: datetime) -> Iterator[Span]:
    yield from _of_people(call.asked, anchor, now, call.tool)
    lane = _lane(call)
    start, end = call.started_at, call.ended_at or now
    if call.child is not None:
        start, end = call.child.started_at or start, call.child.ended_at or end
    elif lane is Lane.PEOPLE and call.asked:
        return  # told by its questions
    else:
        start = max((asked.at for asked in call.asked if asked.at is not None), default=start)
    if start is None or (lane is Lane.TOOLS and _waits_for_people(call)):
        return
    label = call.child.agent or call.tool if call.child is not None else call.tool
    tone = Tone.BAD if call.is_error else Tone.PLAIN
    yield Span(lane, start, max(start, end), brief(label, LABEL_CHARACTERS), anchor, tone, not call.is_over)


def _lane(call: Call) -> Lane:
    if call.type is ToolCallType.DELEGATE_TO_AGENT:
        return Lane.AGENTS
    return Lane.PEOPLE if call.type is ToolCallType.HUMAN_CONTACT else Lane.TOOLS


def _waits_for_people(call: Call) -> bool:
    return any(wait.kind is WaitKind.PERSON for wait in call.waits)


def _of_people(asked: tuple[Asked, ...], anchor: str, now: datetime, tool: str = "") -> Iterator[Span]:
    for each in asked:
        if each.since is not None:
            end, who = each.at or now, f" by {brief(each.by)}" if each.by else ""
            label = f"{brief(tool, LABEL_CHARACTERS)} {each.choice or 'waits'}{who}".strip()
            tone = Tone.WAITING if each.at is None else Tone.PLAIN
            yield Span(Lane.PEOPLE, each.since, max(each.since, end), label, anchor, tone, each.at is None)
