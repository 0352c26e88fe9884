"""Server-sent events, and the reader that folds a stream of them into the body of a whole reply.

The dialects say what their events mean (`Fold`). A reply that is no stream, such as an error, is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from kubechain.llm.exchange import Reader, WholeBody

EVENT_STREAM = "text/event-stream"

_FIELDS = frozenset({b"data", b"event", b"id", b"retry"})


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of a stream.

    Attributes:
        name: What stands in its field `event`; empty where there is none.
        data: Its lines of data, joined.
    """

    name: str
    data: bytes


class Fold(Protocol):
    """What becomes of the events of one stream."""

    def take(self, event: ServerSentEvent) -> None:
        """Take the next event."""
        ...

    def body(self) -> bytes:
        """Return the body that the same reply would have had without a stream.

        Raises:
            LLMError: The stream ended before the answer did.
        """
        ...


class EventLines:
    """Splits the bytes of a stream into events, wherever the chunks are cut.

    An object that stands in the stream as it is, without `data:`, is its last event: Google reports a failure in the
    middle of an answer so, and gateways do.
    """

    def __init__(self) -> None:
        """Begin without a byte."""
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []
        self._bare: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Take a chunk and yield the events that it completes."""
        lines = (self._rest + chunk).splitlines(keepends=True)
        # The half of a line, and a CR that the LF of the next chunk may belong to.
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        for line in lines:
            if event := self._line(line.rstrip(b"\r\n")):
                yield event

    def end(self) -> Iterator[ServerSentEvent]:
        """Yield the last event, where the empty line behind it is missing, and an object without `data:`."""
        yield from self.feed(b"\n\n")
        if self._bare:
            yield ServerSentEvent("", b"\n".join(self._bare))

    def _line(self, line: bytes) -> ServerSentEvent | None:
        if not line:
            return self._completed()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode(errors="replace")
        elif field not in _FIELDS and (self._bare or line.startswith(b"{")):
            self._bare.append(line)
        return None

    def _completed(self) -> ServerSentEvent | None:
        name, data = self._name, self._data
        self._name, self._data = "", []
        return ServerSentEvent(name, b"\n".join(data)) if data else None


class Lines(Protocol):
    """What splits the bytes of a stream into events."""

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Take a chunk and yield the events that it completes."""
        ...

    def end(self) -> Iterator[ServerSentEvent]:
        """Yield what is left when the stream has ended."""
        ...


class EventReader:
    """The `Reader` of a stream."""

    def __init__(self, fold: Fold, lines: Lines) -> None:
        """Begin a stream whose events go to `fold`."""
        self._lines = lines
        self._fold = fold

    def feed(self, chunk: bytes) -> None:
        """See `Reader.feed`."""
        for event in self._lines.feed(chunk):
            self._fold.take(event)

    def body(self) -> bytes:
        """See `Reader.body`."""
        for event in self._lines.end():
            self._fold.take(event)
        return self._fold.body()


def reader(status: int, headers: Mapping[str, str], fold: Callable[[], Fold]) -> Reader:
    """Return the reader of a reply that may be a stream: its headers tell.

    Args:
        fold: Makes what the events of a stream go to.
    """
    is_stream = status == 200 and headers.get("content-type", "").strip().lower().startswith(EVENT_STREAM)
    return EventReader(fold(), EventLines()) if is_stream else WholeBody()
