"""Request, response and handler as values, shared by the HTTP server and the in-process client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from kubechain_apiserver.wire.authn import User

JSON = "application/json"
"""The one encoding of response bodies: kubectl and client libraries all accept it."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, whole.

    Attributes:
        method: Upper case, as on the wire.
        path: Decoded path without the query, such as `/api/v1/namespaces/default/secrets`.
        query: Raw query string, without the question mark.
        headers: Names in lower case.
        body: Empty where there is none.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


class Stream(Protocol):
    """A body in pieces, for as long as a watch lasts. It holds a subscription until it is closed or ends."""

    def __aiter__(self) -> Self:
        """Return the stream itself."""
        ...

    async def __anext__(self) -> bytes:
        """Return the next piece: one or more whole lines of JSON."""
        ...

    async def aclose(self) -> None:
        """End the watch; also for a stream that was never read. May be called again."""
        ...


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response.

    Attributes:
        status: HTTP status code.
        headers: Names in lower case; a repeated header (`warning`) is joined with commas, which HTTP allows.
        body: Bytes, or a stream, which the receiver must close.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | Stream


class ConnectionLost(Exception):
    """Raised by a handler or a stream to close the connection without a reply: only fault injection does that."""


class Handler(Protocol):
    """Answers requests: the API server, or a wrapper of it."""

    async def handle(self, request: HttpRequest, user: User = ...) -> HttpResponse:
        """Answer a request.

        Raises:
            ConnectionLost: The client gets no reply.
        """
        ...
