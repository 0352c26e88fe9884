"""In-process client: the same requests and bytes as over HTTP, without a socket.

`InProcessExchange` has the methods of `kubechain.runtime.transport.Exchange`; neither package imports the other. Only
injected faults can fail a request, so the time-outs are accepted and ignored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import unquote

from kubechain_apiserver.wire.http_types import ConnectionLost, Handler, HttpRequest, HttpResponse, Stream

Lost = Callable[[str], Exception]
"""Makes the exception for a lost reply; only injected faults raise it here."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamReply:
    """A reply that is read line by line."""

    def __init__(self, response: HttpResponse, lost: Lost) -> None:
        self.status = response.status
        self.headers = response.headers
        self._body = response.body
        self._lost = lost

    @property
    def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines of a watch, without line ends, until the server closes it."""
        return self._lines()

    async def _lines(self) -> AsyncIterator[bytes]:
        if isinstance(self._body, bytes):
            return
        try:
            async for chunk in self._body:
                for line in chunk.splitlines():
                    yield line
        except ConnectionLost as error:
            raise self._lost("the watch was cut") from error

    async def read(self) -> bytes:
        """Return the whole body of a reply that is not a stream."""
        return self._body if isinstance(self._body, bytes) else b""


class InProcessExchange:
    """Sends requests to an API server in this process."""

    def __init__(
        self, server: Handler, *, headers: Mapping[str, str] | None = None, lost: Lost = ConnectionResetError
    ) -> None:
        """Create an exchange.

        Args:
            headers: Added to each request, such as a User-Agent; names in lower case.
            lost: Makes the exception that the client expects for a lost connection.
        """
        self._server = server
        self._headers = dict(headers or {})
        self._lost = lost
        self._streams: set[Stream] = set()

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        """Send one request and return the whole reply, whatever its status."""
        del timeout_seconds
        await asyncio.sleep(0)  # others get their turn, as they would with a socket in between
        response = await self._ask(self._request(method, target, headers, body=body))
        if isinstance(response.body, bytes):
            return Reply(response.status, response.headers, response.body)
        await response.body.aclose()
        raise ValueError(f"send: {method} {target}: the answer is a stream")

    @asynccontextmanager
    async def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AsyncGenerator[StreamReply]:
        """Open a stream of lines; leaving the context ends the watch."""
        del connect_timeout_seconds, idle_timeout_seconds
        response = await self._ask(self._request("GET", target, headers, body=None))
        if isinstance(response.body, bytes):
            yield StreamReply(response, self._lost)
            return
        self._streams.add(response.body)
        try:
            yield StreamReply(response, self._lost)
        finally:
            self._streams.discard(response.body)
            await response.body.aclose()

    async def aclose(self) -> None:
        """End every stream."""
        for stream in tuple(self._streams):
            await stream.aclose()

    async def _ask(self, request: HttpRequest) -> HttpResponse:
        try:
            return await self._server.handle(request)
        except ConnectionLost as error:
            raise self._lost(f"{request.method} {request.path}: the connection was cut") from error

    def _request(self, method: str, target: str, headers: Mapping[str, str], *, body: bytes | None) -> HttpRequest:
        path, _, query = target.partition("?")
        named = {**self._headers, **{key.lower(): value for key, value in headers.items()}}
        return HttpRequest(method, unquote(path), query, named, body or b"")
