"""How values of a story are written on a page."""

from __future__ import annotations

import json
from datetime import datetime

from kubechain.api.taskrun import TaskRunPhase
from kubechain.views.lines import Tone
from kubechain.views.story import Call, Story, WaitKind

TEXT_CHARACTERS = 20_000
"""Of one text; longer ones are cut, so that a browser stays quick."""


def shown(text: str) -> str:
    """The beginning of a long text, with a note of what is left out."""
    left = len(text) - TEXT_CHARACTERS
    return text if left <= 0 else f"{text[:TEXT_CHARACTERS]}\n[{left:,} more characters are not shown here]"


def pretty(text: str) -> str:
    """Arguments and results: JSON laid out, anything else as it is."""
    if len(text) > TEXT_CHARACTERS or not text.lstrip().startswith(("{", "[")):
        return shown(text)
    try:
        return shown(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return shown(text)


def clock(at: datetime | None) -> str:
    """The time of day, where the reader is."""
    return "" if at is None else at.astimezone().strftime("%H:%M:%S")


def moment(at: datetime | None) -> str:
    """Day and time, where the reader is."""
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z").strip()


def short(count: int) -> str:
    """A large number in few characters: `950`, `12.3k`, `4.5M`."""
    if count < 10_000:
        return f"{count:,}"
    return f"{count / 1000:.1f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"


def state(story: Story) -> tuple[str, Tone]:
    """The phase of a run in a word or two, and how it is meant."""
    return state_of(story.phase, waits_for_people=any(wait.kind is WaitKind.PERSON for wait in story.waits))


def state_of(phase: TaskRunPhase | None, *, waits_for_people: bool) -> tuple[str, Tone]:
    """The same for a run of which little is known."""
    if phase is None:
        return "Not begun", Tone.QUIET
    if phase.is_terminal:
        return _ENDS[phase]
    return ("Waits for a person", Tone.WAITING) if waits_for_people else ("Running", Tone.PLAIN)


_ENDS = {
    TaskRunPhase.FINAL_ANSWER: ("Answered", Tone.GOOD),
    TaskRunPhase.FAILED: ("Failed", Tone.BAD),
    TaskRunPhase.CANCELLED: ("Cancelled", Tone.QUIET),
}


def call_state(call: Call) -> str:
    """The phase of a call, as it is filtered."""
    return str(call.phase) if call.phase else "Answered" if call.is_over else "Pending"


def features(calls: tuple[Call, ...]) -> str:
    """What an entry has, for the filters: words with spaces between them."""
    found = dict[str, None]()
    for call in calls:
        found["tools"] = None
        if call.is_error:
            found["errors"] = None
        if call.asked or any(wait.kind is WaitKind.PERSON for wait in call.waits):
            found["people"] = None
        if call.child is not None:
            found["agents"] = None
    return " ".join(found)
