"""The HTTP client for MCP servers: validates URLs and headers, limits response sizes, classifies failed requests.

The MCP library uses this client. By itself, the library ends the whole connection when one POST fails, and does not
distinguish a request that was not sent from one whose response was lost. The client therefore returns each failure to
the library as a JSON-RPC error of that one request, with its own codes (`NOT_SENT`, `LOST`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2

from kubechain.mcp.failures import ConnectFailure
from kubechain.net.addresses import NOT_METADATA, AddressNotAllowed
from kubechain.net.connections import CheckedNetwork, CheckedTransport
from kubechain.net.failures import BROKEN, cause
from kubechain.net.resolution import Lookup, system_lookup

NOT_SENT = -31101
"""The request had no effect: there was no connection, or the server refused the request before execution."""
LOST = -31102
"""The request was sent, and there was no response or an invalid one."""
TOO_LARGE = -31103
"""The response exceeds the size limit."""

CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0

idempotency_key: ContextVar[str | None] = ContextVar("idempotency_key", default=None)
"""Set by `SdkLink.call`; the library sends each message in the context of the task that created it."""

_REFUSED_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "last-event-id",
    }
    | {"mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that the protocol sets itself."""


def check_url(url: str) -> None:
    """Refuse a URL that cannot be the address of a server.

    Raises:
        ConnectFailure: The URL is refused; permanent. The message includes at most the host, because other parts of the
            URL may hold a secret.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConnectFailure("url: malformed", is_permanent=True) from None
    if parts.scheme not in ("http", "https"):
        raise ConnectFailure("url: its scheme must be http or https", is_permanent=True)
    if not host or any(c.isspace() or not c.isprintable() for c in url):
        raise ConnectFailure("url: malformed", is_permanent=True)
    if parts.username is not None or parts.password is not None:
        raise ConnectFailure("url: credentials do not belong in it: use headers", is_permanent=True)
    try:
        NOT_METADATA.check_host(host)
    except AddressNotAllowed as error:
        raise ConnectFailure(f"url: {error}", is_permanent=True) from error


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers if all of them can be sent.

    Raises:
        ConnectFailure: A header cannot be sent; permanent. The message does not include its value.
    """
    for name, value in headers.items():
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise ConnectFailure(f'headers: not a header name: "{name[:64]!r}"', is_permanent=True)
        if name.lower() in _REFUSED_HEADERS:
            raise ConnectFailure(f"headers: {name}: belongs to the protocol", is_permanent=True)
        if not value.isascii() or any(ord(c) < 32 or ord(c) == 127 for c in value):
            raise ConnectFailure(f"headers: {name}: its value cannot be sent", is_permanent=True)
    return dict(headers)


def http_client(
    headers: Mapping[str, str],
    *,
    message_bytes: int,
    answers_in_body: bool,
    on_failure: Callable[[str], None],
    lookup: Lookup = system_lookup,
) -> httpx2.AsyncClient:
    """Create the client of one connection. It connects to addresses that `NOT_METADATA` allows, and uses no proxy.

    Args:
        headers: Headers of the spec, sent with each request.
        message_bytes: Maximum size of a body; a longer one ends with an error. In an event stream, the library applies
            the limit to each event.
        answers_in_body: Whether the response to a POST carries the result (streamable HTTP) or a separate event stream
            does (the older SSE transport).
        on_failure: Called with the reason when a request fails.
        lookup: Resolver; by default the system's resolver.
    """
    return httpx2.AsyncClient(
        # No compression: a limit on the compressed size does not bound the decompressed size.
        headers={"Accept-Encoding": "identity", **checked_headers(headers)},
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS, write=WRITE_SECONDS),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        transport=FailuresAsAnswers(
            CheckedTransport(CheckedNetwork(NOT_METADATA, lookup=lookup)),
            message_bytes=message_bytes,
            answers_in_body=answers_in_body,
            on_failure=on_failure,
        ),
    )


class FailuresAsAnswers(httpx2.AsyncBaseTransport):
    """A transport that converts failures of a POST to JSON-RPC errors."""

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        *,
        message_bytes: int,
        answers_in_body: bool,
        on_failure: Callable[[str], None],
    ) -> None:
        """Wrap a transport."""
        self._answers_in_body = answers_in_body
        self._inner = inner
        self._message_bytes = message_bytes
        self._on_failure = on_failure

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; convert its failure if it is a POST."""
        if request.method != "POST":
            return await self._performed(request)
        if (key := idempotency_key.get()) is not None:
            request.headers["Idempotency-Key"] = key
        try:
            response = await self._performed(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol) as error:
            return self._failed(request, NOT_SENT, f"not reached: {reason(error)}")
        except httpx2.TransportError as error:
            return self._failed(request, LOST, f"no answer: {reason(error)}")
        return await self._checked(request, response) if self._answers_in_body else self._reported(response)

    async def _performed(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await _plain(await self._inner.handle_async_request(request))
        except AddressNotAllowed as error:
            raise httpx2.ConnectError(str(error)) from error

    def _reported(self, response: httpx2.Response) -> httpx2.Response:
        if response.is_error:
            self._on_failure(f"HTTP {response.status_code}")
        return response

    async def aclose(self) -> None:
        """Close the wrapped transport."""
        await self._inner.aclose()

    async def _checked(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        match response.status_code:
            case 202 if not _is_request(request):
                return response
            case code if code == 202 or (200 <= code < 300 and kind not in ("application/json", "text/event-stream")):
                if not _is_request(request):
                    return response
                await response.aclose()
                return _answer(request, LOST, f"HTTP {code} without an answer")
            case code if code >= 400:
                return await self._refused(request, response)
            case _:
                return self._bounded(response)

    async def _refused(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """Pass a JSON-RPC error on unchanged; replace any other error response by a JSON-RPC error of this client."""
        try:
            body = await self._read(response)
        except httpx2.TransportError:
            body = b""
        finally:
            await response.aclose()
        if response.status_code == 404 and "mcp-session-id" in request.headers:
            self._on_failure("the server ended the session")
            return _answer(request, NOT_SENT, "the server ended the session")
        if _is_error(body):
            return httpx2.Response(
                response.status_code, headers={"content-type": "application/json"}, content=body, request=request
            )
        code = LOST if response.status_code >= 500 else NOT_SENT
        return _answer(request, code, f"HTTP {response.status_code}", status=response.status_code)

    async def _read(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._message_bytes:
                return b""
        return bytes(body)

    def _bounded(self, response: httpx2.Response) -> httpx2.Response:
        if "text/event-stream" in response.headers.get("content-type", ""):
            return response
        stream = cast(httpx2.AsyncByteStream, response.stream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Bounded(stream, self._message_bytes),
            extensions=response.extensions,
        )

    def _failed(self, request: httpx2.Request, code: int, message: str) -> httpx2.Response:
        self._on_failure(message)
        return _answer(request, code, message)


class _Bounded(httpx2.AsyncByteStream):
    """A body with a size limit. Its errors make the MCP library fail this message only, and not the connection."""

    def __init__(self, inner: httpx2.AsyncByteStream, limit_bytes: int) -> None:
        self._inner = inner
        self._limit = limit_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._limit
        try:
            async for chunk in self._inner:
                left -= len(chunk)
                if left < 0:
                    raise httpx2.StreamError(f"the answer is over {self._limit} bytes")
                yield chunk
        except httpx2.TransportError as error:
            raise httpx2.StreamError(f"the answer was cut off: {reason(error)}") from error

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _plain(response: httpx2.Response) -> httpx2.Response:
    """Refuse a compressed response; the request did not ask for compression."""
    if response.headers.get("content-encoding", "identity") != "identity":
        await response.aclose()
        raise httpx2.RemoteProtocolError("compressed")
    return response


def _answer(request: httpx2.Request, code: int, message: str, *, status: int = 400) -> httpx2.Response:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return httpx2.Response(
        status if status != 404 else 400,
        headers={"content-type": "application/json"},
        content=json.dumps(error).encode(),
        request=request,
    )


def _is_request(request: httpx2.Request) -> bool:
    message = _object(request.content)
    return "id" in message and "method" in message


def _is_error(body: bytes) -> bool:
    return isinstance(_object(body).get("error"), dict)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def reason(error: Exception) -> str:
    """Describe an error with the same text for each attempt, without addresses."""
    match error:
        case httpx2.ConnectError(__cause__=AddressNotAllowed() as refusal):
            return str(refusal)
        case httpx2.ConnectTimeout():
            return f"no connection within {CONNECT_SECONDS:g} s"
        case httpx2.TimeoutException():
            return "it took too long"
        case httpx2.ConnectError():
            return cause(error)
        case _:
            return BROKEN
