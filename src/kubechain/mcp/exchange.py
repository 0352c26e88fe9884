"""The transport below the HTTP client: limits response sizes, repairs answers, classifies failed requests.

By itself, the MCP library ends the whole connection when one POST fails, and does not distinguish a request that was
not sent from one whose response was lost. This transport therefore returns each failure to the library as a JSON-RPC
error of that one request, with its own codes (`NOT_SENT`, `LOST`, `TOO_LARGE`, `replies.INVALID_ANSWER`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextvars import ContextVar
from http.client import (
    ACCEPTED,
    BAD_REQUEST,
    NOT_FOUND,
    REQUEST_TIMEOUT,
    SEE_OTHER,
    TOO_EARLY,
    TOO_MANY_REQUESTS,
)
from http.client import INTERNAL_SERVER_ERROR as SERVER_ERROR
from typing import Any, cast

import httpx2

from kubechain.mcp import replies
from kubechain.mcp.eventstream import RepairedEvents
from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.refusals import SESSION_ENDED, compressed, is_session_end, not_mcp, redirected, refused
from kubechain.mcp.replies import answer_in, is_error, parsed, repaired_json
from kubechain.net.addresses import AddressNotAllowed
from kubechain.net.failures import BROKEN, cause

NOT_SENT = -31101
"""The request had no effect: there was no connection, or the server refused the request before execution."""
LOST = -31102
"""The request was sent, and there was no response or an invalid one."""
TOO_LARGE = -31103
"""The response exceeds the size limit."""

CONNECT_SECONDS = 10.0

idempotency_key: ContextVar[str | None] = ContextVar("idempotency_key", default=None)
"""Set by `SdkLink.call`; the library sends each message in the context of the task that created it."""

EVENT_STREAM = "text/event-stream"
_JSON = {"content-type": "application/json"}
_OF_THE_BODY = ("content-length", "content-encoding", "transfer-encoding")
"""Headers of a response that describe its body, which is another after a repair."""

_PEEK_BYTES = 16 * 1024
_PEEK_SECONDS = 5.0


class FailuresAsAnswers(httpx2.AsyncBaseTransport):
    """A transport that converts failures of a POST to JSON-RPC errors."""

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        *,
        message_bytes: int,
        answers_in_body: bool,
        on_failure: Callable[[str], None],
        on_end: Callable[[ConnectFailure], None],
    ) -> None:
        """Wrap a transport; the arguments are those of `http_client`."""
        self._answers_in_body = answers_in_body
        self._on_end = on_end
        self._inner = inner
        self._message_bytes = message_bytes
        self._on_failure = on_failure

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; convert its failure if it is a POST.

        Raises:
            ConnectFailure: The event stream of a server of type sse cannot be opened.
        """
        if request.method != "POST":
            return await self._opened(request, await self._performed(request))
        await request.aread()  # the request that follows a redirect has its content as a stream only
        if (key := idempotency_key.get()) is not None:
            request.headers["Idempotency-Key"] = key
        try:
            response = await self._performed(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol) as error:
            return self._failed(request, NOT_SENT, f"not reached: {reason(error)}")
        except httpx2.TransportError as error:
            return self._failed(request, LOST, f"no answer: {reason(error)}")
        return (
            await self._checked(request, response) if self._answers_in_body else await self._posted(request, response)
        )

    async def aclose(self) -> None:
        """Close the wrapped transport."""
        await self._inner.aclose()

    async def _performed(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._inner.handle_async_request(request)
        except AddressNotAllowed as error:
            raise httpx2.ConnectError(str(error)) from error

    # -- the older transport: a stream of events that carries every answer ------------------------------------------

    async def _opened(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """Check the response that begins an event stream; only for type sse is it needed."""
        if request.method == "GET" and response.is_success and _kind(response) == EVENT_STREAM and _is_plain(response):
            return self._repaired(request, response)
        if self._answers_in_body or request.method != "GET" or _is_followed(request, response):
            return response
        message = await self._refusal(request, response)
        raise ConnectFailure(message, is_permanent=_lasts(response.status_code))

    async def _posted(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if response.is_success or _is_followed(request, response):
            return response
        self._on_failure(await self._refusal(request, response))
        return response

    # -- streamable HTTP: the response carries the answer -----------------------------------------------------------

    async def _checked(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        is_request = "method" in (message := parsed(request.content) or {}) and "id" in message
        if _is_followed(request, response) or (response.is_success and not is_request):
            return response
        if response.is_success and response.status_code != ACCEPTED and _is_plain(response):
            match _kind(response):
                case "application/json":
                    return await self._answered(request, response, message.get("id"))
                case kind if kind == EVENT_STREAM:
                    return self._repaired(request, response)
                case _:
                    pass
        if response.status_code >= BAD_REQUEST and _is_plain(response):
            return await self._refused(request, response)
        code = NOT_SENT if response.has_redirect_location and response.status_code != SEE_OTHER else LOST
        return _answer(request, code, await self._refusal(request, response))

    async def _answered(self, request: httpx2.Request, response: httpx2.Response, request_id: Any) -> httpx2.Response:
        """Read the whole answer, and make it readable for the library."""
        try:
            body = await self._read(response)
        except httpx2.TransportError as error:
            return self._failed(request, LOST, f"the answer was cut off: {reason(error)}")
        if body is None:
            return _answer(request, TOO_LARGE, f"The tool ran; its answer is over {self._message_bytes} bytes.")
        if (answer := answer_in(body, request_id)) is None:
            what = not_mcp(response.status_code, response.headers, body) if not parsed(body) else "it holds no answer"
            return _answer(request, replies.INVALID_ANSWER, f"the server's answer is not MCP: {what}")
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_THE_BODY]
        return httpx2.Response(response.status_code, headers=headers, content=answer, request=request)

    async def _refused(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """Pass a JSON-RPC error on; replace any other error response by a JSON-RPC error of this client."""
        body = await self._peeked(response)
        if is_session_end(response.status_code, has_session="mcp-session-id" in request.headers, body=body):
            return self._failed(request, NOT_SENT, SESSION_ENDED)
        if is_error(parsed(body) or {}):
            return httpx2.Response(response.status_code, headers=_JSON, content=repaired_json(body), request=request)
        message = self._words(request, response, body)
        return _answer(request, LOST if response.is_server_error else NOT_SENT, message, status=response.status_code)

    def _repaired(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        stream = cast(httpx2.AsyncByteStream, response.stream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=RepairedEvents(stream, str(request.url), line_bytes=self._message_bytes, on_end=self._on_end),
            extensions=response.extensions,
        )

    # -- words ------------------------------------------------------------------------------------------------------

    async def _refusal(self, request: httpx2.Request, response: httpx2.Response) -> str:
        """Describe a response that carries no answer, and close it."""
        return self._words(request, response, await self._peeked(response))

    def _words(self, request: httpx2.Request, response: httpx2.Response, body: bytes) -> str:
        status = response.status_code
        if not _is_plain(response):
            return f"HTTP {status}: {compressed(response.headers['content-encoding'])}"
        if response.has_redirect_location:
            return redirected(status, str(request.url.join(response.headers["location"])))
        if not response.is_error:
            return not_mcp(status, response.headers, body)
        return refused(
            status,
            request=request.headers,
            response=response.headers,
            body=body,
            is_post=request.method == "POST",
            is_sse=not self._answers_in_body,
        )

    async def _peeked(self, response: httpx2.Response) -> bytes:
        """Return the beginning of a body that is only read to be described, and close the response."""
        try:
            async with asyncio.timeout(_PEEK_SECONDS):
                return await self._read(response, _PEEK_BYTES) or b""
        except (httpx2.TransportError, httpx2.StreamError, TimeoutError):
            return b""

    async def _read(self, response: httpx2.Response, limit_bytes: int = 0) -> bytes | None:
        """Read a body and close the response; return None when it is over the limit.

        Args:
            response: An open response. Its connection is free for the next request once it is closed, and not before:
                that its body was read to the end is not enough.
            limit_bytes: By default that of a message; another limit truncates the body.
        """
        body = bytearray()
        try:
            async for chunk in cast(httpx2.AsyncByteStream, response.stream):
                body += chunk
                if limit_bytes and len(body) >= limit_bytes:
                    return bytes(body[:limit_bytes])
                if len(body) > self._message_bytes:
                    return None
        finally:
            await response.aclose()
        return bytes(body)

    def _failed(self, request: httpx2.Request, code: int, message: str) -> httpx2.Response:
        self._on_failure(message)
        return _answer(request, code, message)


def _kind(response: httpx2.Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_plain(response: httpx2.Response) -> bool:
    """Return whether a response is not compressed; the request did not ask for compression."""
    return response.headers.get("content-encoding", "identity").strip().lower() in ("", "identity")


def _lasts(status: int) -> bool:
    """Return whether a refusal lasts until somebody changes something."""
    return status < SERVER_ERROR and status not in (REQUEST_TIMEOUT, TOO_EARLY, TOO_MANY_REQUESTS)


def _is_followed(request: httpx2.Request, response: httpx2.Response) -> bool:
    """Return whether the library follows a redirect: within the origin, with the same method."""
    if not response.has_redirect_location or not (response.status_code in (307, 308) or request.method == "GET"):
        return False
    there = request.url.join(response.headers["location"])
    return (there.scheme, there.host, there.port) == (request.url.scheme, request.url.host, request.url.port) or (
        (there.scheme, request.url.scheme, there.host) == ("https", "http", request.url.host)
        and there.port is None
        and request.url.port is None
    )


def _answer(request: httpx2.Request, code: int, message: str, *, status: int = 400) -> httpx2.Response:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return httpx2.Response(
        status if status != NOT_FOUND else BAD_REQUEST,
        headers=_JSON,
        content=json.dumps(error).encode(),
        request=request,
    )


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
