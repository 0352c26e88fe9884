"""Fields of an answer that the normal form of a message has no place for, kept as they came and sent back.

Such are the `reasoning_content` of DeepSeek, the `reasoning_details` of OpenRouter, the `extra_content` of tool calls
with Gemini's signatures, a `content` that is a list with other parts than text. A provider that needs them refuses the
next turn, or thinks from the start again, where they are missing. They are kept in `Message.providerData` and sent
only to the same provider and model; another one gets the message rebuilt from its normal form.

Parts of `providerData` that this dialect writes:
    {"message": {…}}                                    further fields of the assistant's message
    {"toolCall": 0, "call": {…}, "function": {…}}       further fields of the tool call at this place
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubechain.api.message import Message, ProviderData
from kubechain.llm.client import Target
from kubechain.llm.dialects.json_values import items, mapping
from kubechain.llm.dialects.provider_data import kept, to_send_back

_KNOWN_OF_MESSAGE = frozenset({"role", "content", "tool_calls", "refusal", "name", "tool_call_id", "function_call"})
_KNOWN_OF_CALL = frozenset({"id", "type", "function", "index"})
_KNOWN_OF_FUNCTION = frozenset({"name", "arguments"})
_TEXT_PART = frozenset({"type", "text"})


@dataclass(frozen=True, slots=True)
class CallExtras:
    """Further fields of one tool call."""

    call: Mapping[str, Any] = field(default_factory=dict[str, Any])
    function: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Extras:
    """Further fields of one message.

    Attributes:
        content: The content as a list of parts; None where it is the text of the normal form.
        calls: By the place of the tool call, from 0.
    """

    message: Mapping[str, Any] = field(default_factory=dict[str, Any])
    content: Sequence[object] | None = None
    calls: Mapping[int, CallExtras] = field(default_factory=dict[int, CallExtras])

    def call(self, index: int) -> CallExtras:
        """Return the further fields of the tool call at this place."""
        return self.calls.get(index, _NO_CALL_EXTRAS)


_NO_EXTRAS = Extras()
_NO_CALL_EXTRAS = CallExtras()


def provider_data(target: Target, message: Mapping[str, Any]) -> ProviderData | None:
    """Collect the further fields of an assistant's message; None where there are none."""
    return kept(target, _parts(message))


def to_echo(message: Message, target: Target) -> Extras:
    """Return what goes back to the provider with a message: nothing unless the same provider and model sent it."""
    parts = to_send_back(message, target)
    if not parts:
        return _NO_EXTRAS
    of_message: dict[str, Any] = {}
    of_calls: dict[int, CallExtras] = {}
    for part in parts:
        of_message |= mapping(part.get("message"))
        if isinstance(index := part.get("toolCall"), int):
            of_calls[index] = CallExtras(call=mapping(part.get("call")), function=mapping(part.get("function")))
    content = items(of_message.pop("content", None))
    return Extras(message=of_message, content=content or None, calls=of_calls)


def _parts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    of_message = _unknown(message, _KNOWN_OF_MESSAGE)
    if not _is_text(message.get("content")):
        of_message["content"] = message["content"]
    if of_message:
        parts.append({"message": of_message})
    for index, item in enumerate(items(message.get("tool_calls"))):
        call = _unknown(mapping(item), _KNOWN_OF_CALL)
        function = _unknown(mapping(mapping(item).get("function")), _KNOWN_OF_FUNCTION)
        fields = {name: value for name, value in (("call", call), ("function", function)) if value}
        if fields:
            parts.append({"toolCall": index, **fields})
    return parts


def _unknown(fields: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Fields that say something: `annotations: []` and `audio: null` of every answer of OpenAI do not."""
    return {name: value for name, value in fields.items() if name not in known and value not in (None, "", [], {})}


def _is_text(content: object) -> bool:
    """Whether the normal form of a content holds all of it."""
    return all(mapping(part).keys() <= _TEXT_PART for part in items(content))
