"""A story as a tree: runs, and the calls between them, each with what it took and cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from kubechain.views.lines import Tone
from kubechain.views.story import Call, Story, WaitKind
from kubechain.views.wording import between, brief, money

NAME_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tree.

    Attributes:
        stems: For the row and each one above it but the root, the root's side first: whether it is the last below its
            own. Guides are drawn from these.
        name: Of the run with its agent, or the tool with its arguments.
        turns: None for a call.
    """

    stems: tuple[bool, ...]
    name: str
    phase: str
    took: str
    turns: int | None
    tokens: int | None
    cost: str
    tone: Tone


def rows(story: Story, now: datetime) -> list[Row]:
    """The run, its calls, the runs that answer them, and so on; finished and running ones."""
    return list(_run(story, (), now))


def _run(story: Story, stems: tuple[bool, ...], now: datetime) -> Iterator[Row]:
    total = story.total
    yield Row(
        stems,
        _named(story),
        story.phase or "-",
        between(story.started_at, story.ended_at, now),
        total.turns,
        total.total_tokens,
        money(total.cost),
        tone_of_run(story),
    )
    calls = story.calls
    for index, call in enumerate(calls):
        yield from _call(call, (*stems, index == len(calls) - 1), now)


def _named(story: Story) -> str:
    agent = f" ({story.agent})" if story.agent else ""
    return f"{story.name}{agent}, continues {story.continues}" if story.continues else f"{story.name}{agent}"


def _call(call: Call, stems: tuple[bool, ...], now: datetime) -> Iterator[Row]:
    yield Row(
        stems,
        brief(f"{call.tool} {call.arguments}", NAME_CHARACTERS),
        str(call.phase) if call.phase else "Answered" if call.is_over else "-",
        between(call.started_at, call.ended_at, now),
        None,
        None,
        "",
        tone_of_call(call),
    )
    if call.child is not None:
        yield from _run(call.child, (*stems, True), now)


def tone_of_run(story: Story) -> Tone:
    """How the phase of a run is meant."""
    if story.is_over:
        return Tone.GOOD if story.phase == "FinalAnswer" else Tone.BAD
    return Tone.WAITING if any(wait.kind is WaitKind.PERSON for wait in story.waits) else Tone.PLAIN


def tone_of_call(call: Call) -> Tone:
    """How the phase of a call is meant."""
    if call.is_over:
        return Tone.BAD if call.is_error else Tone.QUIET
    return Tone.WAITING if any(wait.kind is WaitKind.PERSON for wait in call.waits) else Tone.PLAIN
