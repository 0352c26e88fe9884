"""Conversations to start another run from: where its turns begin, and what is said before one of them."""

from __future__ import annotations

from collections.abc import Sequence

from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun

Window = tuple[Message, ...]


def earlier_count(run: TaskRun, messages: Sequence[Message]) -> int:
    """How many of the messages are of the conversation that the run started from."""
    if run.status.continued_from is not None:
        return run.status.continued_from.message_count
    given = run.spec.context_window
    if not given:
        return 0
    is_prompt_added = given[0].role != "system" and bool(messages) and messages[0].role == "system"
    return len(given) + is_prompt_added


def before_turn(messages: Sequence[Message], turn: int, *, run: TaskRun) -> Window:
    """What was said before the model's answer of a turn; of a run that is over also of the one that it did not give.

    Args:
        messages: The whole conversation of the run.
        turn: From 1.

    Raises:
        ValueError: The run has no such turn.
    """
    earlier = earlier_count(run, messages)
    places = [place for place, message in enumerate(messages) if place >= earlier and message.role == "assistant"]
    if run.status.is_over and messages and messages[-1].role != "assistant":
        places.append(len(messages))
    if not 1 <= turn <= len(places):
        raise ValueError(f"the run has turns 1 to {len(places)}" if places else "the run has no turn yet")
    return tuple(messages[: places[turn - 1]])


def with_system(messages: Sequence[Message], text: str) -> Window:
    """The conversation with another system prompt."""
    rest = messages[1:] if messages and messages[0].role == "system" else messages
    return (Message(role="system", content=text), *rest)
