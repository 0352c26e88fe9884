"""The chunks of a streamed `chat.completion`, folded into the object that a whole reply is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from kubechain.api.usage import Usage
from kubechain.llm.dialects.json_values import count, dumps, items, mapping
from kubechain.llm.dialects.openai_chat.usage import usage_of
from kubechain.llm.dialects.streaming import cut_short, event_object
from kubechain.llm.sse import ServerSentEvent

_END = b"[DONE]"
_WRITTEN_ONCE = frozenset({"role", "id", "type", "name", "index"})
"""Texts of a delta that some servers repeat in each chunk; all others are pieces."""

_MAX_LEVELS = 4
"""Objects inside a delta that are joined; what is nested deeper is replaced as a whole."""


class ChatFold:
    """The `Fold` of one completion."""

    def __init__(self) -> None:
        """Begin before the first chunk."""
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def take(self, event: ServerSentEvent) -> None:
        """See `Fold.take`."""
        if event.data.strip() == _END:
            return
        chunk = event_object(event, self._counted())
        self._head |= {name: value for name, value in chunk.items() if name != "choices" and value is not None}
        for item in items(chunk.get("choices")):
            self._add(mapping(item))

    def body(self) -> bytes:
        """See `Fold.body`."""
        choices = [choice for _, choice in sorted(self._choices.items())]
        is_whole = any(choice.get("finish_reason") for choice in choices)
        if not is_whole and not self._head.get("error"):
            raise cut_short(self._counted())
        return dumps(self._head | {"choices": [_closed(choice) for choice in choices]})

    def _add(self, chunk: Mapping[str, Any]) -> None:
        choice = self._choices.setdefault(count(chunk.get("index")), {"message": {}, "calls": {}})
        choice |= {name: value for name, value in chunk.items() if name not in ("delta", "message") and value}
        delta = dict(mapping(chunk.get("delta")) or mapping(chunk.get("message")))
        calls: dict[int, dict[str, Any]] = choice["calls"]
        for place, item in enumerate(items(delta.pop("tool_calls", None))):
            index = mapping(item).get("index")
            _join(calls.setdefault(index if isinstance(index, int) else place, {}), mapping(item))
        _join(choice["message"], delta)

    def _counted(self) -> Usage:
        return usage_of(mapping(self._head.get("usage")))


def _closed(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A choice as it stands in a whole reply."""
    fields = {name: value for name, value in choice.items() if name != "calls"}
    calls = [call for _, call in sorted(choice["calls"].items())]
    return fields | {"message": choice["message"] | ({"tool_calls": calls} if calls else {})}


def _join(whole: dict[str, Any], piece: Mapping[str, Any], levels: int = _MAX_LEVELS) -> None:
    """Add the fields of a piece to what came before."""
    for name, value in piece.items():
        if value is not None and (value != "" or name not in whole):
            whole[name] = value if name in _WRITTEN_ONCE else _joined(whole.get(name), value, levels)


def _joined(before: object, value: object, levels: int) -> object:
    """Texts and lists grow, objects are joined, others are replaced."""
    match before, value:
        case str(), str():
            return before + value
        case (str() | list(), str() | list()):
            return [*_as_parts(cast("object", before)), *_as_parts(cast("object", value))]
        case dict(), dict() if levels:
            whole = dict(mapping(cast("object", before)))
            _join(whole, mapping(cast("object", value)), levels - 1)
            return whole
        case _:
            return value


def _as_parts(content: object) -> list[object]:
    """Content as a list of parts: Mistral sends lists while the model thinks, and texts when it answers."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(items(content))
