"""Implements the protocols of `link` with the MCP library. Only this module, `asking` and `transports` import it.

`manager` imports this module when the first server connects. The module maps errors of the library to errors of this
package.

It does not use the library's validation of structured results against the output schema: that evaluates untrusted
regular expressions on untrusted data in the event loop, and can only fail a call that has already run.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, cast

import anyio
import httpx2
import mcp_types as types
from mcp.client import Client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from kubechain.mcp import asking, exchange, replies
from kubechain.mcp.content import call_result, redacted_tool
from kubechain.mcp.elicitation import InputRefused, Inputs, Replies
from kubechain.mcp.errors import ConnectionLost, McpError, NotSent, TimedOut
from kubechain.mcp.failures import ConnectFailure, foreign_text
from kubechain.mcp.floor import Call, Floor
from kubechain.mcp.intake import Intake
from kubechain.mcp.link import Observer, Page
from kubechain.mcp.model import CallResult, Flaw, Limits, ServerKey, ServerSpec, ToolInfo
from kubechain.mcp.transports import transport
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

_NOT_EXECUTED = frozenset(
    (
        types.METHOD_NOT_FOUND,
        types.HEADER_MISMATCH,
        types.UNSUPPORTED_PROTOCOL_VERSION,
        types.MISSING_REQUIRED_CLIENT_CAPABILITY,
        exchange.NOT_SENT,
    )
)
"""Errors that say that the server or the transport refused the request before execution.

"Invalid params" and "invalid request" are not among them: tools raise them while they run, and servers return "invalid
params" after a tool ran and its output was invalid. They become results for the model, and the call is not retried.
"""

_LOST = frozenset((types.CONNECTION_CLOSED, exchange.LOST))
_PERMANENT_HTTP = tuple(f"HTTP {status}" for status in (301, 302, 303, 307, 308, 401, 403, 404, 405, 406, 410))
_ADDRESS_REFUSED = "not reached: address refused: "


@asynccontextmanager
async def connect(
    key: ServerKey, spec: ServerSpec, *, limits: Limits, warden: Warden, observer: Observer
) -> AsyncGenerator[SdkLink]:
    """Connect to a server, with any protocol revision that it supports; implements `Connector`.

    Raises:
        ConnectFailure: The connection failed; raised directly or inside an exception group.
    """
    intake, floor = Intake(), Floor() if spec.asks_first else None
    client = Client(
        cast(Any, transport(key, spec, limits=limits, warden=warden, observer=observer, intake=intake)),
        mode="auto",
        cache=None,
        client_info=types.Implementation(name="kubechain", version="1"),
        message_handler=partial(_on_message, observer),
        elicitation_callback=asking.Answerer(floor, spec.confidential),
    )
    try:
        async with floor.open() if floor else nullcontext(), client, anyio.create_task_group() as tasks:
            link = SdkLink(client, spec, observer, intake, floor)
            if link.announces_changes:
                tasks.start_soon(_listen, client, observer)
            yield link
            tasks.cancel_scope.cancel()
    except* (MCPError, httpx2.HTTPError, ValidationError, RuntimeError) as group:
        raise _first(cast("BaseExceptionGroup[Exception]", group), spec) from group


class SdkLink:
    """An open connection; implements `Link`."""

    def __init__(
        self, client: Client, spec: ServerSpec, observer: Observer, intake: Intake, floor: Floor | None = None
    ) -> None:
        """Wrap a client whose context was entered.

        Args:
            client: The client.
            spec: Its server.
            observer: Receives events.
            intake: Makes answers readable.
            floor: Answers what a server of an older protocol revision asks; None where people are not asked for it.
        """
        self._client = client
        self._floor = floor
        self._intake = intake
        self._spec = spec
        self._observer = observer

    @property
    def announces_changes(self) -> bool:
        """Whether changes of the tools need a subscription; older protocol revisions send them without one."""
        tools = self._client.server_capabilities.tools
        return self._is_modern and bool(tools and tools.list_changed)

    @property
    def _is_modern(self) -> bool:
        return self._client.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def list_tools(self, cursor: str | None) -> Page:
        """See `Link`."""
        if self._floor is not None:
            await self._floor.let_go()
        try:
            result = await self._client.session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
        except MCPError as error:
            if error.code == types.METHOD_NOT_FOUND and cursor is None:
                return Page(())  # the server responds, but has no tools
            raise _connect_failure(error, self._spec) from error
        except (ValidationError, RuntimeError) as error:
            raise _connect_failure(error, self._spec) from error
        tools, flaws = self._described(result.tools)
        return Page(tools, result.next_cursor or None, (*self._intake.take_flaws(), *flaws))

    def _described(self, listed: Sequence[types.Tool]) -> tuple[list[ToolInfo], list[Flaw]]:
        tools: list[ToolInfo] = []
        flaws: list[Flaw] = []
        for tool in listed:
            if (described := redacted_tool(_tool(tool), self._spec.confidential)) is not None:
                tools.append(described)
            else:
                flaws.append(Flaw("[redacted]", "its name contains a secret of the server", is_left_out=True))
        return tools, flaws

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any],
        inputs: Inputs | None = None,
        may_hold: bool = False,
    ) -> CallResult | Inputs:
        """See `Link`."""
        key = meta.get(IDEMPOTENCY_KEY)
        token = exchange.idempotency_key.set(key if isinstance(key, str) else None)
        try:
            if self._floor is not None and not self._is_modern:
                one = Call(tool, json.dumps(arguments, sort_keys=True), may_hold)
                request = _request(tool, arguments, meta)
                return await self._floor.call(one, inputs or Inputs(), partial(self._call, request))
            if inputs is None or not self._is_modern:
                return await self._call(_request(tool, arguments, meta))
            return await self._resumed(partial(_request, tool, arguments, meta), inputs)
        finally:
            exchange.idempotency_key.reset(token)

    async def _resumed(
        self, request: Callable[[Inputs | None], types.CallToolRequest], inputs: Inputs
    ) -> CallResult | Inputs:
        """Make a call again with replies.

        A server may have forgotten what it asked, since it was started anew, or since its time for an answer is over.
        Then the call begins again, and what the server asks once more is answered with the replies that there are.
        """
        try:
            result = await self._call(request(inputs))
            return result if isinstance(result, CallResult) else inputs.then(result)
        except _Forgotten:
            result, kept, current = await self._call(request(None)), Replies(inputs.replied), Inputs()
        while isinstance(result, Inputs):
            current = current.then(result)
            if not current.items or (filled := kept.fill(current)) is None:
                return current
            current, result = filled, await self._call(request(filled))
        return result

    async def _call(self, request: types.CallToolRequest) -> CallResult | Inputs:
        try:
            answer = await self._client.session.send_request(request, _Answer)
        except MCPError as error:
            if request.params.request_state is not None and _is_forgotten(error):
                raise _Forgotten("the server does not know any more what it asked") from error
            if error.code == types.URL_ELICITATION_REQUIRED and (wanted := asking.addresses(error.data)):
                return self._asked(wanted, None)
            return self._result_of_error(error)
        except PydanticSerializationError as error:
            raise NotSent("the arguments cannot be written as JSON") from error
        except ValidationError:
            return CallResult("The tool ran; its answer is not a result of a tool.", is_error=True)
        if isinstance(answer, types.InputRequiredResult):
            return self._asked(answer.input_requests or {}, answer.request_state)
        result = call_result(answer.model_dump(mode="json", by_alias=True, exclude_none=True))
        return replace(result, content=redacted(result.content, self._spec.confidential))

    def _asked(self, requests: Mapping[str, types.InputRequest], state: str | None) -> CallResult | Inputs:
        """Return what the server asks for; an error for the model where nobody is to be asked that."""
        try:
            return asking.inputs(requests, state, self._spec.confidential)
        except InputRefused as error:
            return CallResult(f"The tool asks a person for something that is refused: {error}.", is_error=True)

    def _result_of_error(self, error: MCPError) -> CallResult:
        """Return an error of the tool as a result; raise any other error as an `McpError`."""
        message = foreign_text(error.message, self._spec.secrets())
        if error.code == exchange.TOO_LARGE:
            return CallResult(message, is_error=True)
        if error.code == replies.INVALID_ANSWER:
            return CallResult(f"The tool ran; {message}.", is_error=True)
        if error.code in (types.CONNECTION_CLOSED, exchange.NOT_SENT, exchange.LOST, types.INVALID_REQUEST):
            self._observer.suspect()
        if error.code == types.HEADER_MISMATCH:
            self._observer.tools_changed()
        if (raised := _call_error(error.code, message)) is not None:
            raise raised from error
        return CallResult(f"error {error.code}: {message}", is_error=True)


class _Forgotten(NotSent):
    """The server knows nothing more of what it asked: it refused the call before the tool ran."""


def _is_forgotten(error: MCPError) -> bool:
    match error.data:
        case {"reason": "invalid_request_state"}:
            return True
        case _:
            return False


def _call_error(code: int, message: str) -> McpError | None:
    if code in _NOT_EXECUTED:
        return NotSent(message)
    if code in _LOST:
        return ConnectionLost(message)
    return TimedOut(message) if code == types.REQUEST_TIMEOUT else None


def _request(
    tool: str, arguments: Mapping[str, Any], meta: Mapping[str, Any], inputs: Inputs | None = None
) -> types.CallToolRequest:
    call: dict[str, Any] = {"name": tool, "arguments": dict(arguments), "_meta": dict(meta)}
    try:
        params = types.CallToolRequestParams.model_validate(call | asking.replies(inputs))
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
                observer.tools_changed()  # what changed before the subscription was open is not told
                async for _ in subscription:
                    pass
        except SubscriptionLost:
            observer.suspect()
        except (MCPError, RuntimeError, TimeoutError):
            return  # the server announces subscriptions but does not support them; rely on probes
        await anyio.sleep(_LISTEN_AGAIN.seconds(attempt))


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
            return ConnectFailure(status, is_permanent=status.startswith(_PERMANENT_HTTP))
        case httpx2.HTTPError():
            reason = f"not reached: {exchange.reason(error)}"
            return ConnectFailure(reason, is_permanent=reason.startswith(_ADDRESS_REFUSED))
        case ValidationError():
            return ConnectFailure("the server's answer is not MCP")
        case _:
            return ConnectFailure(foreign_text(str(error), spec.secrets()))
