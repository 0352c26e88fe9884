"""The lines of a streamed reply to `POST chat`, folded into the object that a whole reply is."""

from __future__ import annotations

from typing import Any

from kubechain.llm.dialects.json_values import dumps, items, mapping, text
from kubechain.llm.dialects.ollama.decode import usage_of
from kubechain.llm.dialects.streaming import cut_short, event_object
from kubechain.llm.sse import ServerSentEvent

_JOINED = ("content", "thinking")
"""Fields of the message that come in pieces."""


class ChatFold:
    """The `Fold` of one answer."""

    def __init__(self) -> None:
        """Begin before the first line."""
        self._head: dict[str, Any] = {}
        self._message: dict[str, Any] = {}

    def take(self, event: ServerSentEvent) -> None:
        """See `Fold.take`; each call comes as a whole."""
        line = event_object(event, usage_of(self._head))
        self._head |= {name: value for name, value in line.items() if name != "message" and value is not None}
        for name, value in mapping(line.get("message")).items():
            if name in _JOINED and value:
                self._message[name] = text(self._message.get(name)) + text(value)
            elif name == "tool_calls":
                self._message[name] = [*items(self._message.get(name)), *items(value)]
            elif value or name not in self._message:
                self._message[name] = value

    def body(self) -> bytes:
        """See `Fold.body`."""
        if self._head.get("done") is not True and not self._head.get("error"):
            raise cut_short(usage_of(self._head))
        return dumps(self._head | {"message": self._message})
