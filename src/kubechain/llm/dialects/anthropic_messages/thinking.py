"""The blocks of an answer that the normal form of a message has no place for, kept as they came and sent back.

Such are thinking with its signature and thinking that is encrypted: a model that goes on after tool calls needs them
back unchanged and in their places. Parts of `providerData` that this dialect writes, in the order of the answer:

    {"block": {…}}              a block as it came
    {"text": 12}                the next 12 characters of the message's content
    {"toolCall": 0, "fields": {…}}  the tool call at this place, with further fields of its block
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubechain.api.message import Message, ProviderData
from kubechain.llm.client import Target
from kubechain.llm.dialects.json_values import mapping, text
from kubechain.llm.dialects.provider_data import kept, to_send_back

_KNOWN_OF_CALL = frozenset({"type", "id", "name", "input"})
_NORMAL = ("text", "tool_use")


def provider_data(target: Target, blocks: Sequence[Mapping[str, Any]]) -> ProviderData | None:
    """Collect what must come back with an answer; None where its normal form says all."""
    parts: list[dict[str, Any]] = []
    calls = 0
    for block in blocks:
        if block.get("type") == "tool_use":
            fields = {name: value for name, value in block.items() if name not in _KNOWN_OF_CALL and value is not None}
            parts.append({"toolCall": calls} | ({"fields": fields} if fields else {}))
            calls += 1
        elif block.get("type") == "text":
            parts.append({"text": len(text(block.get("text")))})
        else:
            parts.append({"block": dict(block)})
    is_normal = all(block.get("type") in _NORMAL for block in blocks) and not any("fields" in part for part in parts)
    return None if is_normal else kept(target, parts)


def blocks_in_order(message: Message, target: Target, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the blocks of a message as they came from the target; none where it did not send them, or not all fit.

    Args:
        calls: The message's tool calls as blocks.
    """
    parts = to_send_back(message, target)
    blocks: list[dict[str, Any]] = []
    start, placed = 0, 0
    for part in parts:
        if isinstance(length := part.get("text"), int):
            said, start = message.content[start : start + length], start + length
            blocks += [{"type": "text", "text": said}] if said.strip() else []
        elif isinstance(index := part.get("toolCall"), int):
            blocks += [{**mapping(part.get("fields")), **call} for call in calls[index : index + 1]]
            placed += 1
        else:
            blocks.append(dict(mapping(part.get("block"))))
    return blocks if start == len(message.content) and placed == len(calls) else []
