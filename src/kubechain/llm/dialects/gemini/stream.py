"""The chunks of a streamed `GenerateContentResponse`, folded into the object that a whole reply is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubechain.llm.dialects.gemini.usage import usage_of
from kubechain.llm.dialects.json_values import count, dumps, items, mapping
from kubechain.llm.dialects.streaming import cut_short, event_object
from kubechain.llm.sse import ServerSentEvent

_PLAIN = frozenset({"text", "thought"})
"""Fields of a part that is joined with the next: one with a signature stays a part of its own, as Google asks."""


class ContentFold:
    """The `Fold` of one response; of several candidates it takes the first, as a whole reply is read."""

    def __init__(self) -> None:
        """Begin before the first chunk."""
        self._head: dict[str, Any] = {}
        self._candidate: dict[str, Any] = {}
        self._parts: list[object] = []

    def take(self, event: ServerSentEvent) -> None:
        """See `Fold.take`; a chunk is a response with further parts, and with all counts until now."""
        chunk = event_object(event, usage_of(mapping(self._head.get("usageMetadata"))))
        self._head |= {name: value for name, value in chunk.items() if name != "candidates" and value is not None}
        for item in items(chunk.get("candidates")):
            candidate = mapping(item)
            if count(candidate.get("index")) == 0:
                self._candidate |= {name: value for name, value in candidate.items() if name != "content" and value}
                self._add(mapping(candidate.get("content")))

    def body(self) -> bytes:
        """See `Fold.body`."""
        is_whole = self._candidate.get("finishReason") or self._head.get("promptFeedback") or self._head.get("error")
        if not is_whole:
            raise cut_short(usage_of(mapping(self._head.get("usageMetadata"))))
        if not self._candidate:
            return dumps(self._head)
        content = {"role": "model", "parts": self._parts}
        return dumps(self._head | {"candidates": [self._candidate | {"content": content}]})

    def _add(self, content: Mapping[str, Any]) -> None:
        for part in items(content.get("parts")):
            if self._parts and (joined := _joined(self._parts[-1], part)):
                self._parts[-1] = joined
            else:
                self._parts.append(part)


def _joined(before: object, part: object) -> dict[str, Any] | None:
    """Return two pieces of one text, or of one thought, as one part; None where they are none."""
    first, second = mapping(before), mapping(part)
    texts = first.get("text"), second.get("text")
    if {*first, *second} - _PLAIN or bool(first.get("thought")) != bool(second.get("thought")):
        return None
    match texts:
        case str(), str():
            return {**first, "text": texts[0] + texts[1]}
        case _:
            return None
