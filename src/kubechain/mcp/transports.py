"""The transports of the MCP library, with their messages made readable. Only this module, `asking` and `sdk` import it.

It does not use the library's stdio client: that does not limit the length of a line, and its children can outlive the
manager.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, cast

import mcp_types as types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import McpHttpClientFactory
from mcp.shared.message import SessionMessage

from kubechain.mcp import http
from kubechain.mcp.endpoint import check_url
from kubechain.mcp.exchange import TOO_LARGE
from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.intake import Intake
from kubechain.mcp.link import Observer
from kubechain.mcp.model import Limits, ServerKey, ServerSpec
from kubechain.mcp.replies import parsed, repaired
from kubechain.mcp.stdio import Codec, stdio_transport
from kubechain.mcp.warden import Warden

Streams = tuple[Any, Any]


def transport(
    key: ServerKey, spec: ServerSpec, *, limits: Limits, warden: Warden, observer: Observer, intake: Intake
) -> AbstractAsyncContextManager[Streams]:
    """Return the transport that a spec asks for; what it yields passes through the intake.

    Raises:
        ConnectFailure: The URL is refused; permanent.
    """
    if spec.transport == "stdio":
        codec = Codec(decode=_decode, encode=_encode, too_long=partial(_too_long, limits.message_bytes))
        child = stdio_transport(
            key, spec, limits=limits, warden=warden, codec=codec, on_end=observer.ended, on_stderr=observer.said
        )
        return _read_through(intake, child, on_end=None, asks_first=spec.asks_first)
    check_url(spec.url)
    inner = _http_transport(spec, limits, observer)
    return _read_through(intake, inner, on_end=observer.ended, asks_first=spec.asks_first)


@asynccontextmanager
async def _http_transport(spec: ServerSpec, limits: Limits, observer: Observer) -> AsyncGenerator[Streams]:
    client = partial(
        http.http_client,
        {name: value.get_secret_value() for name, value in spec.headers.items()},
        message_bytes=limits.message_bytes,
        answers_in_body=spec.transport == "http",
        on_failure=lambda _: observer.suspect(),
        on_end=observer.ended,
    )
    if spec.transport == "sse":
        # The library passes its own timeouts to the factory; the client already has timeouts.
        factory = cast(McpHttpClientFactory, lambda **_: client())  # pyright: ignore[reportUnknownLambdaType]
        async with sse_client(spec.url, httpx_client_factory=factory) as streams:
            yield streams
        return
    async with (
        client() as http_client,
        streamable_http_client(spec.url, http_client=http_client, max_sse_event_size=limits.message_bytes) as streams,
    ):
        yield streams


@asynccontextmanager
async def _read_through(
    intake: Intake,
    inner: AbstractAsyncContextManager[Streams],
    *,
    on_end: Callable[[ConnectFailure], None] | None,
    asks_first: bool,
) -> AsyncGenerator[Streams]:
    """Pass all messages through an intake.

    Args:
        intake: Makes the results readable.
        inner: The transport.
        on_end: Called when the stream of the server ends; otherwise only the next call would notice.
        asks_first: See `ServerSpec`.
    """
    async with inner as (reads, writes):
        readable = _Reads(reads, intake, on_end)
        try:
            yield readable, _Writes(writes, intake, asks_first=asks_first)
        finally:
            readable.is_stopping = True


class _Wrapped:
    """A stream that delegates to another one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def __aenter__(self) -> _Wrapped:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._inner.__aexit__(*error)


class _Writes(_Wrapped):
    """The messages to a server."""

    def __init__(self, inner: Any, intake: Intake, *, asks_first: bool) -> None:
        super().__init__(inner)
        self._intake = intake
        self._asks_first = asks_first

    async def send(self, item: SessionMessage) -> None:
        if isinstance(item.message, types.JSONRPCRequest):
            self._intake.sent(item.message.id, item.message.method)
            if item.message.method == "initialize" and not self._asks_first:
                _offer_no_elicitation(item.message.params)
        await self._inner.send(item)


class _Reads(_Wrapped):
    """The messages of a server."""

    def __init__(self, inner: Any, intake: Intake, on_end: Callable[[ConnectFailure], None] | None) -> None:
        super().__init__(inner)
        self._intake = intake
        self._on_end = on_end
        self.is_stopping = False

    def __aiter__(self) -> _Reads:
        return self

    async def __anext__(self) -> Any:
        try:
            return self._readable(await self._inner.__anext__())
        except StopAsyncIteration:
            if self._on_end is not None and not self.is_stopping:  # otherwise this side closed the connection
                self._on_end(ConnectFailure("the server closed the connection"))
            raise

    def _readable(self, item: Any) -> Any:
        match item:
            case SessionMessage(message=types.JSONRPCResponse() as response):
                response.id = self._intake.request_id(response.id)
                response.result = self._intake.received(response.id, response.result)
            case SessionMessage(message=types.JSONRPCError() as error):
                error.id = self._intake.request_id(error.id)
                self._intake.answered(error.id)
            case _:
                pass
        return item


def _offer_no_elicitation(params: dict[str, Any] | None) -> None:
    """Do not tell a server of an older revision that people can be asked; the library always does."""
    capabilities = params.get("capabilities") if params else None
    if isinstance(capabilities, dict):
        cast("dict[str, Any]", capabilities).pop("elicitation", None)


def _decode(line: bytes) -> SessionMessage | None:
    """Return the message on a line, repaired if necessary; None if the line is no message."""
    with contextlib.suppress(ValueError):
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    message = parsed(line)
    if message is None or not message.keys() & {"id", "result", "error"}:
        return None
    with contextlib.suppress(ValueError):
        return SessionMessage(types.jsonrpc_message_adapter.validate_python(repaired(message), by_name=False))
    return None


def _encode(message: SessionMessage) -> bytes:
    return message.message.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _too_long(limit_bytes: int, request_id: int) -> SessionMessage:
    message = f"The tool ran; its answer is over {limit_bytes} bytes and was dropped."
    error = types.ErrorData(code=TOO_LARGE, message=message)
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=request_id, error=error))
