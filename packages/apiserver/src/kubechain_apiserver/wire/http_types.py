"""The request and the response as values: what every face of the embedded API server speaks.

Made by the faces (`http`, `inprocess`), read and answered by `server.ApiServer`. No socket, no header parsing beyond a
look-up and no Kubernetes semantics may go here.
"""

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
    """A body that comes in pieces, for as long as a watch lasts. It holds a subscription until it is closed or ends."""

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
    """Raised by a server, or by a stream, when the client shall see the connection break: only faults do that."""


class Handler(Protocol):
    """Answers requests: the server, or what stands in front of it."""

    async def handle(self, request: HttpRequest, user: User = ...) -> HttpResponse:
        """Answer a request.

        Raises:
            ConnectionLost: There shall be no answer.
        """
        ...
