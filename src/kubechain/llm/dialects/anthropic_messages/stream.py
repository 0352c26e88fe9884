"""The events of a streamed `message`, folded into the object that a whole reply is."""

from __future__ import annotations

from typing import Any

from kubechain.llm.dialects.anthropic_messages.decode import usage_of
from kubechain.llm.dialects.json_values import count, dumps, items, mapping, text
from kubechain.llm.dialects.streaming import cut_short, event_object
from kubechain.llm.sse import ServerSentEvent

_JOINED = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
"""Deltas whose text is added to a field of their block."""


class MessageFold:
    """The `Fold` of one message."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._error: dict[str, Any] | None = None
        self._is_whole = False

    def take(self, event: ServerSentEvent) -> None:
        """See `Fold.take`; what nobody knows is passed over, as the API asks of its clients."""
        data = event_object(event, usage_of(self._usage))
        match data.get("type") or event.name:
            case "message_start":
                self._message = dict(mapping(data.get("message")))
                self._count(mapping(self._message.get("usage")))
            case "content_block_start":
                self._blocks[count(data.get("index"))] = _opened(mapping(data.get("content_block")))
            case "content_block_delta":
                self._add(self._blocks.setdefault(count(data.get("index")), {}), mapping(data.get("delta")))
            case "message_delta":
                self._message |= {name: value for name, value in mapping(data.get("delta")).items() if value}
                self._count(mapping(data.get("usage")))
            case "message_stop":
                self._is_whole = True
            case "error":
                self._error = dict(data)
            case _:  # a ping, the end of a block, an event of a later version
                pass

    def body(self) -> bytes:
        """See `Fold.body`."""
        if self._error is not None:
            return dumps(self._error | {"usage": self._usage})
        if not self._is_whole:
            raise cut_short(usage_of(self._usage))
        blocks = [block for _, block in sorted(self._blocks.items())]
        return dumps(self._message | {"content": blocks, "usage": self._usage})

    def _add(self, block: dict[str, Any], delta: Any) -> None:
        kind = delta.get("type")
        if kind == "input_json_delta":
            block["input"] = text(block.get("input")) + text(delta.get("partial_json"))
        elif kind == "citations_delta":
            block["citations"] = [*items(block.get("citations")), delta.get("citation")]
        elif field := _JOINED.get(text(kind)):
            block[field] = text(block.get(field)) + text(delta.get(field))

    def _count(self, usage: Any) -> None:
        """Counts are totals: a later one takes the place of an earlier one."""
        self._usage |= {name: value for name, value in usage.items() if value is not None}


def _opened(block: Any) -> dict[str, Any]:
    """The beginning of a block; the arguments of a call come as text, in place of the empty object that stands here."""
    opened = dict(block)
    if opened.get("type") == "tool_use" and not opened.get("input"):
        opened["input"] = ""
    return opened
