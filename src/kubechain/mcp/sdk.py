"""Implements the protocols of `link` with the MCP library. No other module imports the library.

`manager` imports this module when the first server connects. The module maps errors of the library to errors of this
package.

It does not use two parts of the library. The stdio client does not limit the length of a line, and its children can
outlive the manager. The validation of structured results against the output schema evaluates untrusted regular
expressions on untrusted data in the event loop, and can only fail a call that has already run.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, cast

import anyio
import httpx2
import mcp_types as types
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared._httpx_utils import McpHttpClientFactory
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from kubechain.mcp import http
from kubechain.mcp.content import call_result, redacted_tool
from kubechain.mcp.errors import ConnectionLost, McpError, NotSent, TimedOut
from kubechain.mcp.failures import ConnectFailure, foreign_text
from kubechain.mcp.link import Observer, Page
from kubechain.mcp.model import CallResult, Limits, ServerKey, ServerSpec, ToolInfo
from kubechain.mcp.stdio import Codec, stdio_transport
from kubechain.mcp.warden import Warden
from kubechain.net.backoff import Backoff
from kubechain.net.redaction import redacted

for _logger_name in ("mcp", "client"):
    # The library logs whole messages, addresses and tracebacks. This package reports the failures itself.
    logging.getLogger(_logger_name).setLevel(logging.CRITICAL)

IDEMPOTENCY_KEY = "kubechain.humanlayer.dev/idempotency-key"
"""Key in `_meta`."""

_LISTEN_AGAIN = Backoff(initial_seconds=1.0, max_seconds=30.0)

_Answer: TypeAdapter[types.CallToolResult | types.InputRequiredResult] = TypeAdapter(
    types.CallToolResult | types.InputRequiredResult
)
_Streams = tuple[Any, Any]

_NOT_EXECUTED = frozenset(
    (
        types.METHOD_NOT_FOUND,
        types.HEADER_MISMATCH,
        types.UNSUPPORTED_PROTOCOL_VERSION,
        types.MISSING_REQUIRED_CLIENT_CAPABILITY,
        http.NOT_SENT,
    )
)
"""Errors that say that the server or the transport refused the request before execution.

"Invalid params" and "invalid request" are not among them: tools raise them while they run, and servers return "invalid
params" after a tool ran and its output was invalid. They become results for the model, and the call is not retried.
"""

_LOST = frozenset((types.CONNECTION_CLOSED, types.PARSE_ERROR, http.LOST))
_PERMANENT_HTTP = ("HTTP 401", "HTTP 403", "HTTP 404", "HTTP 405", "HTTP 410")
_ADDRESS_REFUSED = "not reached: address refused: "


@asynccontextmanager
async def connect(
    key: ServerKey, spec: ServerSpec, *, limits: Limits, warden: Warden, observer: Observer
) -> AsyncGenerator[SdkLink]:
    """Connect to a server, with any protocol revision that it supports; implements `Connector`.

    Raises:
        ConnectFailure: The connection failed; raised directly or inside an exception group.
    """
    transport = _transport(key, spec, limits=limits, warden=warden, observer=observer)
    client = Client(
        cast(Any, transport),
        mode="auto",
        cache=None,
        client_info=types.Implementation(name="kubechain", version="1"),
        message_handler=partial(_on_message, observer),
    )
    try:
        async with client, anyio.create_task_group() as tasks:
            link = SdkLink(client, spec, observer)
            if link.announces_changes:
                tasks.start_soon(_listen, client, observer)
            yield link
            tasks.cancel_scope.cancel()
    except* (MCPError, httpx2.HTTPError, ValidationError, RuntimeError) as group:
        raise _first(cast("BaseExceptionGroup[Exception]", group), spec) from group


class SdkLink:
    """An open connection; implements `Link`."""

    def __init__(self, client: Client, spec: ServerSpec, observer: Observer) -> None:
        """Wrap a client whose context was entered."""
        self._client = client
        self._spec = spec
        self._observer = observer

    @property
    def announces_changes(self) -> bool:
        """Whether changes of the tools need a subscription; older protocol revisions send them without one."""
        tools = self._client.server_capabilities.tools
        return self._client.protocol_version in MODERN_PROTOCOL_VERSIONS and bool(tools and tools.list_changed)

    async def list_tools(self, cursor: str | None) -> Page:
        """See `Link`."""
        try:
            result = await self._client.session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
        except MCPError as error:
            if error.code == types.METHOD_NOT_FOUND and cursor is None:
                return Page(())  # the server responds, but has no tools
            raise _connect_failure(error, self._spec) from error
        except (ValidationError, RuntimeError) as error:
            raise _connect_failure(error, self._spec) from error
        tools = [redacted_tool(_tool(tool), self._spec.confidential) for tool in result.tools]
        return Page([tool for tool in tools if tool is not None], result.next_cursor or None)

    async def call(self, tool: str, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> CallResult:
        """See `Link`."""
        key = meta.get(IDEMPOTENCY_KEY)
        token = http.idempotency_key.set(key if isinstance(key, str) else None)
        try:
            return await self._call(_request(tool, arguments, meta))
        finally:
            http.idempotency_key.reset(token)

    async def _call(self, request: types.CallToolRequest) -> CallResult:
        try:
            answer = await self._client.session.send_request(request, _Answer)
        except MCPError as error:
            return self._result_of_error(error)
        except PydanticSerializationError as error:
            raise NotSent("the arguments cannot be written as JSON") from error
        except ValidationError as error:
            raise ConnectionLost("the answer is not a result of a tool") from error
        if isinstance(answer, types.InputRequiredResult):
            return CallResult("The tool asks for more input from a person, which is not supported.", is_error=True)
        result = call_result(answer.model_dump(mode="json", by_alias=True, exclude_none=True))
        return replace(result, content=redacted(result.content, self._spec.confidential))

    def _result_of_error(self, error: MCPError) -> CallResult:
        """Return an error of the tool as a result; raise any other error as an `McpError`."""
        message = foreign_text(error.message, self._spec.secrets())
        if error.code == http.TOO_LARGE:
            return CallResult(message, is_error=True)
        if error.code in (types.CONNECTION_CLOSED, http.NOT_SENT, http.LOST, types.INVALID_REQUEST):
            self._observer.suspect()
        if error.code == types.HEADER_MISMATCH:
            self._observer.tools_changed()
        if (raised := _call_error(error.code, message)) is not None:
            raise raised from error
        return CallResult(f"error {error.code}: {message}", is_error=True)


def _call_error(code: int, message: str) -> McpError | None:
    if code in _NOT_EXECUTED:
        return NotSent(message)
    if code in _LOST:
        return ConnectionLost(message)
    return TimedOut(message) if code == types.REQUEST_TIMEOUT else None


def _request(tool: str, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> types.CallToolRequest:
    try:
        params = types.CallToolRequestParams.model_validate(
            {"name": tool, "arguments": dict(arguments), "_meta": dict(meta)}
        )
    except ValidationError as error:
        raise NotSent("the call is not valid") from error
    return types.CallToolRequest(params=params)


def _tool(tool: types.Tool) -> ToolInfo:
    hints = tool.annotations
    return ToolInfo(
        name=tool.name,
        description=tool.description or "",
        input_schema=tool.input_schema,
        read_only=bool(hints and hints.read_only_hint),
        idempotent=bool(hints and hints.idempotent_hint),
    )


# -- notifications from the server ---------------------------------------------------------------------------------


async def _on_message(observer: Observer, message: types.ServerNotification | Exception) -> None:
    match message:
        case types.ToolListChangedNotification():
            observer.tools_changed()
        case Exception():
            observer.suspect()
        case _:
            pass


async def _listen(client: Client, observer: Observer) -> None:
    """Keep a subscription to changes of the tools open. `_on_message` also receives its notifications."""
    for attempt in count():
        try:
            async with client.listen(tools_list_changed=True) as subscription:
                async for _ in subscription:
                    pass
        except SubscriptionLost:
            observer.suspect()
        except (MCPError, RuntimeError, TimeoutError):
            return  # the server announces subscriptions but does not support them; rely on probes
        await anyio.sleep(_LISTEN_AGAIN.seconds(attempt))
        observer.tools_changed()  # a new subscription does not replay missed changes


# -- transports ----------------------------------------------------------------------------------------------------


def _transport(
    key: ServerKey, spec: ServerSpec, *, limits: Limits, warden: Warden, observer: Observer
) -> AbstractAsyncContextManager[_Streams]:
    if spec.transport == "stdio":
        codec = Codec(decode=_decode, encode=_encode, too_long=partial(_too_long, limits.message_bytes))
        return stdio_transport(key, spec, limits=limits, warden=warden, codec=codec, on_end=observer.ended)
    http.check_url(spec.url)
    return _watched(_http_transport(spec, limits, observer), observer.ended)


@asynccontextmanager
async def _http_transport(spec: ServerSpec, limits: Limits, observer: Observer) -> AsyncGenerator[_Streams]:
    client = partial(
        http.http_client,
        {name: value.get_secret_value() for name, value in spec.headers.items()},
        message_bytes=limits.message_bytes,
        answers_in_body=spec.transport == "http",
        on_failure=lambda _: observer.suspect(),
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
async def _watched(
    transport: AbstractAsyncContextManager[_Streams], on_end: Callable[[ConnectFailure], None]
) -> AsyncGenerator[_Streams]:
    """Call `on_end` when the stream of the server ends; otherwise only the next call would notice."""
    async with transport as (reads, writes):
        watched = _WatchedStream(reads, on_end)
        try:
            yield watched, writes
        finally:
            watched.is_stopping = True


class _WatchedStream:
    """Wraps a stream and calls `on_end` when it ends."""

    def __init__(self, inner: Any, on_end: Callable[[ConnectFailure], None]) -> None:
        self._inner = inner
        self._on_end = on_end
        self.is_stopping = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __aiter__(self) -> _WatchedStream:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._inner.__anext__()
        except StopAsyncIteration:
            if not self.is_stopping:  # otherwise this side closed the connection
                self._on_end(ConnectFailure("the server closed the connection"))
            raise

    async def __aenter__(self) -> _WatchedStream:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._inner.__aexit__(*error)


def _decode(line: bytes) -> SessionMessage | None:
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        return None


def _encode(message: SessionMessage) -> bytes:
    return message.message.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _too_long(limit_bytes: int, request_id: int) -> SessionMessage:
    message = f"The tool ran; its answer is over {limit_bytes} bytes and was dropped."
    error = types.ErrorData(code=http.TOO_LARGE, message=message)
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=request_id, error=error))


# -- errors --------------------------------------------------------------------------------------------------------


def _first(error: Exception | BaseExceptionGroup[Exception], spec: ServerSpec) -> ConnectFailure:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return _connect_failure(error, spec)


def _connect_failure(error: Exception, spec: ServerSpec) -> ConnectFailure:
    match error:
        case MCPError():
            message = foreign_text(error.message, spec.secrets()) or f"error {error.code}"
            return ConnectFailure(message, is_permanent=message.startswith((*_PERMANENT_HTTP, _ADDRESS_REFUSED)))
        case httpx2.HTTPStatusError():
            status = f"HTTP {error.response.status_code}"
            return ConnectFailure(status, is_permanent=status in _PERMANENT_HTTP)
        case httpx2.HTTPError():
            reason = f"not reached: {http.reason(error)}"
            return ConnectFailure(reason, is_permanent=reason.startswith(_ADDRESS_REFUSED))
        case ValidationError():
            return ConnectFailure("the server's answer is not MCP")
        case _:
            return ConnectFailure(foreign_text(str(error), spec.secrets()))
