"""Conversations to start another run from: up to a turn, or whole with more at the end."""

from __future__ import annotations

from collections.abc import Sequence

from kubechain.api.message import Message

Window = tuple[Message, ...]


def before_turn(messages: Sequence[Message], turn: int, *, earlier: int) -> Window:
    """What was said before the model's answer of a turn.

    Args:
        turn: From 1.
        earlier: How many of the messages are of the conversation that the run started from.

    Raises:
        ValueError: The run has no such turn.
    """
    places = [place for place, message in enumerate(messages) if place >= earlier and message.role == "assistant"]
    if not 1 <= turn <= len(places):
        raise ValueError(f"the run has turns 1 to {len(places)}" if places else "the run has no turn yet")
    return tuple(messages[: places[turn - 1]])


def answered(messages: Sequence[Message]) -> Window:
    """The conversation without a last answer some of whose tool calls have no result: no run can start from that."""
    last = next((place for place in reversed(range(len(messages))) if messages[place].role == "assistant"), None)
    if last is None:
        return tuple(messages)
    results = {message.tool_call_id for message in messages[last + 1 :]}
    is_open = any(call.id not in results for call in messages[last].tool_calls)
    return tuple(messages[:last]) if is_open else tuple(messages)


def with_system(messages: Sequence[Message], text: str) -> Window:
    """The conversation with another system prompt."""
    rest = messages[1:] if messages and messages[0].role == "system" else messages
    return (Message(role="system", content=text), *rest)


def size_bytes(messages: Sequence[Message]) -> int:
    """The room that messages take in an object."""
    return sum(len(message.to_json()) for message in messages)
