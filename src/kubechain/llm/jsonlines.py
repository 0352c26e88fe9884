"""Streams of JSON objects, one on each line, as Ollama sends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from kubechain.llm.exchange import Reader, WholeBody
from kubechain.llm.sse import EventReader, Fold, ServerSentEvent

JSON_LINES = "application/x-ndjson"


class JsonLines:
    """Splits the bytes of a stream into lines, wherever the chunks are cut."""

    def __init__(self) -> None:
        """Begin without a byte."""
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Take a chunk and yield the lines that it completes, each as an event without a name."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        yield from (ServerSentEvent("", line) for line in lines if line.strip())

    def end(self) -> Iterator[ServerSentEvent]:
        """Yield the last line, where the line end behind it is missing."""
        yield from self.feed(b"\n")


def reader(status: int, headers: Mapping[str, str], fold: Callable[[], Fold]) -> Reader:
    """Return the reader of a reply that may be such a stream: its headers tell.

    Args:
        fold: Makes what the lines of a stream go to.
    """
    is_stream = status == 200 and headers.get("content-type", "").strip().lower().startswith(JSON_LINES)
    return EventReader(fold(), JsonLines()) if is_stream else WholeBody()
