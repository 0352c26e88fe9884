"""One HTTP exchange with a provider, as values: what a dialect encodes and what it decodes.

`pool.HttpPool` performs the calls. Nothing here knows conversations, models or providers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request to send. Headers hold the key, so they are not in the repr."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply read to its end. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime


class Reader(Protocol):
    """Turns the chunks of a reply into the body that a dialect decodes.

    A dialect that streams folds the events of the stream into the body of a whole reply; one that does not takes
    `WholeBody`. A reader needs no limit of its own: the pool counts the bytes.
    """

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk, as it came from the connection."""
        ...

    def body(self) -> bytes:
        """Return the body; called once, after the last chunk.

        Raises:
            LLMError: The reply ended before it was whole.
        """
        ...


ReaderFactory = Callable[[int, Mapping[str, str]], Reader]
"""Makes the reader of one reply from its status and its headers (names in lower case)."""


class WholeBody:
    """The reader of replies that come whole: joins the chunks."""

    def __init__(self) -> None:
        """Begin without a chunk."""
        self._chunks = bytearray()

    def feed(self, chunk: bytes) -> None:
        """See `Reader.feed`."""
        self._chunks += chunk

    def body(self) -> bytes:
        """See `Reader.body`."""
        return bytes(self._chunks)


def whole_body(status: int, headers: Mapping[str, str]) -> Reader:
    """The `ReaderFactory` for replies that come whole, whatever their status."""
    del status, headers
    return WholeBody()
