"""The interface between the runtime and an API server: one request, one stream of lines.

`http.HttpExchange` implements it over HTTP; the embedded API server implements it in process, and tests have fakes. An
exchange knows no kinds, retries or metav1.Status. It maps every failure to send or receive to `TransportError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class Reply(Protocol):
    """A whole response."""

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
        """The whole body."""
        ...


@dataclass(frozen=True, slots=True)
class WholeReply:
    """A reply as a plain value."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamReply(Protocol):
    """A response that is read line by line."""

    @property
    def status(self) -> int:
        """HTTP status code; only a 200 has lines."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Keys in lower case."""
        ...

    @property
    def lines(self) -> AsyncIterator[bytes]:
        """Yield lines until the server closes the stream; to be read once: a second iterator would lose buffered data.

        Raises:
            TransportError: the connection failed, or nothing was received for the idle time-out.
        """
        ...

    async def read(self) -> bytes:
        """Return the whole body of a response that is not a success."""
        ...


class Exchange(Protocol):
    """Sends requests to an API server."""

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        """Send one request and return the whole response, whatever its status.

        Args:
            method: HTTP verb.
            target: path and query, percent-encoded.
            headers: added to those of the exchange (authentication, User-Agent).
            body: None for none.
            timeout_seconds: limit for the whole exchange.

        Raises:
            TransportError: no complete response was received; a write may have been applied.
        """
        ...

    def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AbstractAsyncContextManager[StreamReply]:
        """Open a stream of lines.

        Args:
            target: path and query, percent-encoded.
            headers: as for `send`.
            connect_timeout_seconds: limit until the response headers are received.
            idle_timeout_seconds: longest time without data before the connection counts as broken.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
