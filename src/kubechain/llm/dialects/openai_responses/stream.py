"""The events of a streamed `response`, folded into the object that a whole reply is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubechain.llm.dialects import tokens
from kubechain.llm.dialects.json_values import count, dumps, mapping
from kubechain.llm.dialects.streaming import cut_short, event_object
from kubechain.llm.sse import ServerSentEvent

_UNCOUNTED = tokens.usage(sent=0, received=0)
"""A response is counted in its last event, so that a stream without it tells no usage."""


class ResponseFold:
    """The `Fold` of one response: its last event holds it whole, but for the items where a server leaves them out."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self._items: dict[int, Mapping[str, Any]] = {}
        self._response: dict[str, Any] | None = None

    def take(self, event: ServerSentEvent) -> None:
        """See `Fold.take`; the pieces of an item are passed over, because it comes again as a whole."""
        data = event_object(event, _UNCOUNTED)
        match data.get("type") or event.name:
            case "response.output_item.done":
                self._items[count(data.get("output_index"))] = mapping(data.get("item"))
            case "response.completed" | "response.incomplete" | "response.failed":
                self._response = dict(mapping(data.get("response")))
            case "error":
                self._response = {"error": data.get("error") or {**data, "type": None}}
            case _ if data.get("error"):  # of a gateway, which knows no events
                self._response = {"error": data["error"]}
            case _:  # the beginning of the response, pieces of an item, an event of a later version
                pass

    def body(self) -> bytes:
        """See `Fold.body`."""
        if self._response is None:
            raise cut_short(_UNCOUNTED)
        if self._response.get("output") or not self._items:
            return dumps(self._response)
        return dumps(self._response | {"output": [item for _, item in sorted(self._items.items())]})
