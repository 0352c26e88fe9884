"""A story as lines, one after the other: what `kubechain logs` prints of a run, and follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kubechain.views.explaining import spent_text
from kubechain.views.story import Asked, Call, Said, Story, Turn, Wait
from kubechain.views.wording import ARGUMENT_CHARACTERS, between, brief

RESULT_CHARACTERS = 300
"""Of a result; the call's object has the whole."""


class Tone(StrEnum):
    """How a line is meant."""

    PLAIN = "plain"
    QUIET = "quiet"
    GOOD = "good"
    BAD = "bad"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened.

    Attributes:
        key: The same for the same thing in every later story of the run, so that a follower prints it once.
        depth: Of the run in the tree, and of what is within it.
        label: Who or what, such as `turn 2`.
        text: May have several lines.
        at: None where that is not recorded.
        commands: To type; below the text.
    """

    key: str
    depth: int
    label: str
    text: str
    at: datetime | None = None
    tone: Tone = Tone.PLAIN
    commands: tuple[str, ...] = ()


def of_story(story: Story, depth: int = 0) -> Iterator[Line]:
    """Yield the lines of a run, with those of the runs below it where their calls are."""
    agent, llm = f" of agent {story.agent}" if story.agent else "", f" on LLM {story.llm}" if story.llm else ""
    # Not told before it is known, so that a follower does not print it twice.
    if story.started_at is not None or story.is_over:
        yield Line(f"{story.name}/begin", depth, "run", f"{story.name}{agent}{llm}", story.started_at, Tone.QUIET)
    for number, gap in enumerate(story.gaps):
        yield Line(f"{story.name}/gap{number}", depth, "gap", gap, None, Tone.BAD)
    for index, entry in enumerate(story.entries):
        if isinstance(entry, Said):
            tone = Tone.QUIET if entry.role == "system" or entry.is_earlier else Tone.PLAIN
            yield Line(f"{story.name}/{index}", depth, entry.role, entry.text, None, tone)
        else:
            yield from _turn(story, entry, index, depth)
    for asked in story.asked:
        yield from _asked(f"{story.name}/budget", asked, depth)
    for wait in story.waits:
        if wait.who == f"taskrun/{story.name}":
            yield _waiting(wait, depth)
    if story.is_over:
        yield _end(story, depth)


def _turn(story: Story, turn: Turn, index: int, depth: int) -> Iterator[Line]:
    label = f"turn {turn.number}" if turn.number else "assistant"
    key = f"{story.name}/{index}"
    if turn.text:
        yield Line(key, depth, label, turn.text, tone=Tone.PLAIN if turn.number else Tone.QUIET)
    elif turn.calls and turn.number:
        yield Line(key, depth, label, f"asks for {', '.join(call.tool for call in turn.calls)}", tone=Tone.QUIET)
    for call in turn.calls:
        yield from _call(key, call, depth + 1)


def _call(above: str, call: Call, depth: int) -> Iterator[Line]:
    key = f"{above}/{call.id}"
    arguments = brief(call.arguments, ARGUMENT_CHARACTERS)
    yield Line(f"{key}/asked", depth, "call", f"{call.tool} {arguments}".rstrip(), call.started_at)
    for asked in call.asked:
        yield from _asked(key, asked, depth)
    if call.child is not None:
        yield from of_story(call.child, depth + 1)
    for wait in call.waits:
        if wait.who == f"taskruntoolcall/{call.name}":
            yield _waiting(wait, depth)
    if call.is_over:
        took = between(call.started_at, call.ended_at, call.ended_at) if call.ended_at is not None else ""
        text = brief(call.result or "", RESULT_CHARACTERS) or "(empty)"
        label = f"{call.phase or 'result'}"
        tone = Tone.BAD if call.is_error else Tone.GOOD
        yield Line(f"{key}/over", depth, label, f"{text}{f'  [{took}]' if took else ''}", call.ended_at, tone)


def _asked(above: str, asked: Asked, depth: int) -> Iterator[Line]:
    if asked.choice is None:
        return
    by = f" by {brief(asked.by)}" if asked.by else ""
    comment = f": {brief(asked.comment)}" if asked.comment else ""
    yield Line(f"{above}/{asked.request}", depth, "person", f"{asked.choice}{by}{comment}", asked.at)


def _waiting(wait: Wait, depth: int) -> Line:
    key = f"{wait.who}/waits/{wait.what}"
    return Line(key, depth, "waits", wait.what, wait.since, Tone.WAITING, wait.commands)


def _end(story: Story, depth: int) -> Line:
    took = between(story.started_at, story.ended_at, story.ended_at) if story.ended_at is not None else ""
    facts = ", ".join(part for part in (took, spent_text(story)) if part)
    why = f"{story.error or story.detail}  " if story.phase != "FinalAnswer" else ""
    tone = Tone.GOOD if story.phase == "FinalAnswer" else Tone.BAD
    return Line(f"{story.name}/end", depth, f"{story.phase}", f"{why}[{facts}]", story.ended_at, tone)
