"""Explains why something waits or how it ended, in one paragraph, with the commands to type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kubechain.api.taskrun import TaskRunPhase
from kubechain.views.story import Story, Wait
from kubechain.views.wording import between, brief, counted, money, sentence, span

OUTPUT_CHARACTERS = 300

WAITS_SHOWN = 5
"""Of a run whose calls wait for different things; the others are counted."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a person reads.

    Attributes:
        commands: To type, the likeliest first.
    """

    paragraph: str
    commands: tuple[str, ...] = ()


def of_story(story: Story, now: datetime) -> Explanation:
    """Why a run waits, or how it ended."""
    name = f"TaskRun {story.name}{f' of agent {story.agent}' if story.agent else ''}"
    if story.is_over:
        return _ended(story, name)
    shown = story.waits[:WAITS_SHOWN]
    sentences = [_waits(name, story, wait, now) for wait in shown]
    more = len(story.waits) - len(shown)
    if more:
        sentences.append(f"It waits for {counted(more, 'other thing')} as well.")
    sentences.append(_so_far(story, now))
    commands = dict.fromkeys(command for wait in shown for command in wait.commands)
    return Explanation(" ".join([*sentences, *story.gaps]), tuple(commands) or (f"kubechain watch {story.name}",))


def _waits(name: str, story: Story, wait: Wait, now: datetime) -> str:
    """Who waits, for what, since when and until when, and what ends it."""
    who = name if wait.who == f"taskrun/{story.name}" else f"{name}, at {wait.who},"
    times = [
        *([f"since {between(wait.since, None, now)}"] if wait.since is not None else []),
        *([_until(wait.until, now)] if wait.until is not None else []),
    ]
    when = f" ({', '.join(times)})" if times else ""
    return f"{sentence(f'{who} waits {wait.what}{when}')} {wait.ends}".strip()


def _until(until: datetime, now: datetime) -> str:
    left = (until - now).total_seconds()
    return f"at most another {span(left)}" if left > 0 else "its time is over"


def _so_far(story: Story, now: datetime) -> str:
    if story.started_at is None:
        return "It has not begun."
    return f"It has run for {between(story.started_at, story.ended_at, now)}: {spent_text(story)}."


def spent_text(story: Story) -> str:
    """Turns, tool calls, tokens and cost of a run with the runs below it."""
    total = story.total
    parts = [counted(total.turns, "turn"), counted(total.tool_calls, "tool call")]
    parts.append(counted(total.total_tokens, "token"))
    return ", ".join([*parts, *([money(total.cost)] if total.cost else [])])


def _ended(story: Story, name: str) -> Explanation:
    took = between(story.started_at, story.ended_at, story.ended_at) if story.ended_at is not None else ""
    after = f" after {took}" if took else ""
    see = (f"kubechain logs {story.name}", f"kubechain tree {story.name}")
    if story.phase is TaskRunPhase.FINAL_ANSWER:
        text = f"{name} has answered{after} ({spent_text(story)}): {brief(story.output, OUTPUT_CHARACTERS)}"
        return Explanation(text, (*see, f'kubechain continue {story.name} "MORE"'))
    if story.phase is TaskRunPhase.CANCELLED:
        text = f"{name} was cancelled{after} ({spent_text(story)})."
        return Explanation(text, (*see, f"kubechain retry {story.name}"))
    why = brief(story.error or story.detail, OUTPUT_CHARACTERS)
    text = f"{name} failed{after} ({spent_text(story)}): {why}"
    return Explanation(text, (*see, f"kubechain retry {story.name}"))


def commands_of(explanation: Explanation, more: Sequence[str] = ()) -> list[str]:
    """The commands as lines below the paragraph.

    Args:
        explanation: With its commands.
        more: Flags that every command needs, such as the namespace.
    """
    return [f"  {' '.join([command, *more])}" for command in explanation.commands]
