"""The seam between the runtime and an API server: one request, one stream.

`HttpExchange` (module `http`) speaks to a real server; the embedded API server has an in-process face of the same
shape, and tests have fakes. An exchange knows nothing of kinds, of retries or of metav1.Status: it moves bytes, and
maps every failure to move them to `TransportError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class Reply(Protocol):
    """A whole answer."""

    @property
    def status(self) -> int:
        """HTTP status code."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Keys in lower case."""
        ...

    @property
    def body(self) -> bytes:
        """All of it."""
        ...


@dataclass(frozen=True, slots=True)
class WholeReply:
    """A reply as a plain value."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamReply(Protocol):
    """An answer that is read line by line."""

    @property
    def status(self) -> int:
        """HTTP status code; only 200 has lines."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Keys in lower case."""
        ...

    @property
    def lines(self) -> AsyncIterator[bytes]:
        """Yield lines until the server closes the stream; to be asked for once, since what is buffered is lost with it.

        Raises:
            TransportError: the connection broke, or nothing came for the idle time-out.
        """
        ...

    async def read(self) -> bytes:
        """Return the whole body of an answer that is not a success."""
        ...


class Exchange(Protocol):
    """How requests reach an API server."""

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        """Send one request and return the whole answer, whatever its status.

        Args:
            method: HTTP verb.
            target: path and query, percent-encoded.
            headers: added to those of the exchange (authentication, User-Agent).
            body: None for none.
            timeout_seconds: limit for all of it.

        Raises:
            TransportError: no whole answer came; a write may have been applied.
        """
        ...

    def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AbstractAsyncContextManager[StreamReply]:
        """Open a stream of lines.

        Args:
            target: path and query, percent-encoded.
            headers: as for `send`.
            connect_timeout_seconds: limit until the head of the answer is there.
            idle_timeout_seconds: longest silence between two lines before the connection counts as dead.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
