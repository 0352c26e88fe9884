"""The choices of a reply as one assistant's message: some servers put the text into one and the calls into another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubechain.llm.dialects.answers import is_blank
from kubechain.llm.dialects.finish_reasons import Finish, finish_of
from kubechain.llm.dialects.json_values import items, mapping, text

_MOST_TELLING = (Finish.FAILED, Finish.FILTERED, Finish.MALFORMED, Finish.LENGTH, Finish.CALLS, Finish.WHOLE)
_REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reply holds, before it is judged.

    Attributes:
        message: The assistant's message on the wire, with the calls of every choice.
        finish: What the ends of the choices mean; of several the one that tells most.
        finish_reason: The provider's word for it.
        error: An error that stands in a choice; empty where none does.
    """

    message: Mapping[str, Any]
    finish: Finish
    finish_reason: str
    error: object = None


def answer_of(body: Mapping[str, Any]) -> Answer | None:
    """Join the choices of a `chat.completion` object; None where there are none."""
    choices = [mapping(choice) for choice in items(body.get("choices")) if mapping(choice)]
    if not choices:
        return None
    messages = [mapping(choice.get("message")) for choice in choices]
    reasons = [str(choice.get("finish_reason") or "stop") for choice in choices]
    reason = min(reasons, key=lambda name: _MOST_TELLING.index(finish_of(name)))
    error = next((choice["error"] for choice in choices if choice.get("error")), None)
    return Answer(_joined(messages), finish_of(reason), reason, error)


def _joined(messages: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    joined: dict[str, Any] = {}
    for message in reversed(messages):
        joined |= message
    spoken = next((message for message in messages if not is_blank(text(message.get("content")))), messages[0])
    calls = [call for message in messages for call in _calls(message)]
    return joined | {"content": spoken.get("content"), "tool_calls": calls}


def _calls(message: Mapping[str, Any]) -> list[object]:
    """The tool calls of a message; older servers have a field for one call."""
    calls = list(items(message.get("tool_calls")))
    function = mapping(message.get("function_call"))
    return calls or ([{"function": function}] if function else [])


def has_reasoning(message: Mapping[str, Any]) -> bool:
    """Whether a message holds reasoning in a field of its own."""
    return any(message.get(name) for name in _REASONING_FIELDS)
