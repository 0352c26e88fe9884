"""HTTP endpoints that a Tool names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import SecretStr

from kubechain.api.references import SecretKeyRef
from kubechain.api.taskrun import ToolCallType
from kubechain.api.tool import ExternalAPI, Tool
from kubechain.controllers.secrets import SecretReader
from kubechain.controllers.toolkinds.model import (
    CallOutcome,
    Invocation,
    Offer,
    Plan,
    ToolKind,
    tool_execution,
    tool_of,
    tool_offer,
)
from kubechain.controllers.toolkinds.outcomes import outcome_of
from kubechain.net.foreign import cut
from kubechain.runtime.errors import ApiError, TransportError
from kubechain.tools import templates
from kubechain.tools.external_api import ApiRequest
from kubechain.tools.model import InvalidTool, NotExecuted, Output
from kubechain.tools.parameters import allows, check_placeholders

TIMEOUT_SECONDS = 60.0
"""How long one call may take where the Tool sets no limit."""


class HttpCaller(Protocol):
    """The client of HTTP endpoints."""

    def check(self, request: ApiRequest) -> None:
        """See whether the request can be made; raises `NotExecuted`."""
        ...

    async def call(self, request: ApiRequest, arguments: Mapping[str, Any], *, timeout_seconds: float) -> Output:
        """Make the request once."""
        ...


def tool_kind(http: HttpCaller, secrets: SecretReader) -> ToolKind:
    """The row of the registry for this sort."""
    endpoints = HttpTools(http, secrets)
    return ToolKind(ToolCallType.EXTERNAL_API, planner=endpoints, executor=endpoints, handler=endpoints)


@dataclass(frozen=True, slots=True)
class HttpTools:
    """Tools with `execute.externalAPI`."""

    http: HttpCaller
    secrets: SecretReader

    def serves(self, tool: Tool) -> bool:
        """Whether the Tool names an endpoint."""
        return _spec(tool) is not None

    def offer(self, tool: Tool, name: str) -> Offer:
        """The Tool as its author describes it."""
        return tool_offer(tool, name, ToolCallType.EXTERNAL_API)

    def secret_keys(self, tool: Tool) -> Sequence[SecretKeyRef]:
        """Those of the credentials and of the headers."""
        spec = _spec(tool)
        if spec is None:
            return ()
        credentials = [spec.credentials_from] if spec.credentials_from else []
        return [*credentials, *(entry.value_from.secret_key_ref for entry in spec.headers if entry.value_from)]

    def wants_approval(self, tool: Tool) -> bool:
        """Whether `requiresApproval` is set."""
        spec = _spec(tool)
        return spec is not None and bool(spec.requires_approval)

    async def check(self, tool: Tool) -> None:
        """See that URL, method and headers can be used, and that the model can give what the templates need."""
        if (spec := _spec(tool)) is None:
            return
        plain = {entry.name: entry.value for entry in spec.headers if entry.value is not None}
        self.http.check(ApiRequest(url=spec.url, method=spec.method, headers=plain))
        check_placeholders("url", templates.check_url(spec.url), tool.input_schema)
        check_placeholders("body", templates.names_in(spec.body), tool.input_schema)
        for name, value in plain.items():
            if used := [one for one in templates.names_in(value) if allows(tool.input_schema, one)]:
                raise InvalidTool(f"headers: {name}: {{{used[0]}}} is not replaced: arguments go into url and body")

    @property
    def acts_outside(self) -> bool:
        """A call has effects outside this process."""
        return True

    def obstacle(self, offer: Offer) -> str:
        """Nothing: a connection is made for each call."""
        del offer
        return ""

    def plan(self, offer: Offer, arguments: dict[str, Any], *, attempt: int, depth: int) -> Plan:
        """Make the request."""
        del depth
        spec = _spec(tool_of(offer))
        timeout_seconds = float((spec and spec.timeout_seconds) or TIMEOUT_SECONDS)
        return tool_execution(offer, arguments, attempt=attempt, timeout_seconds=timeout_seconds)

    async def execute(self, invocation: Invocation) -> CallOutcome:
        """Make the request once."""
        return await outcome_of(self._output(invocation))

    async def _output(self, invocation: Invocation) -> Output:
        spec = _spec(tool_of(invocation.offer))
        if spec is None:
            raise InvalidTool(f'Tool "{invocation.offer.object}" names no HTTP endpoint any more')
        deadline = asyncio.get_running_loop().time() + invocation.timeout_seconds
        request = await self._request(spec, invocation)
        output = await self.http.call(request, invocation.arguments, timeout_seconds=invocation.timeout_seconds)
        if not output.is_refused or not self._doubts(invocation):
            return output
        if (other := await self._request(spec, invocation)) == request:
            return output
        left_seconds = deadline - asyncio.get_running_loop().time()
        return await self.http.call(other, invocation.arguments, timeout_seconds=left_seconds)

    def _doubts(self, invocation: Invocation) -> bool:
        """Have the Secrets that were refused read again, where no watch tells of changes; whether one will be."""
        names = {key.name for key in self.secret_keys(tool_of(invocation.offer))}
        doubted = [self.secrets.doubt(invocation.namespace, name, older_than_seconds=0.0) for name in names]
        return any(doubted)

    async def _request(self, spec: ExternalAPI, invocation: Invocation) -> ApiRequest:
        """The request with its secrets; while they cannot be read, nothing was sent."""
        try:
            return await api_request(spec, invocation.namespace, invocation.key, self.secrets)
        except (ApiError, TransportError) as error:
            raise NotExecuted(cut(f"cannot read the secrets of the tool: {error}")) from error


async def api_request(spec: ExternalAPI, namespace: str, key: str, secrets: SecretReader) -> ApiRequest:
    """An endpoint with its secrets resolved.

    Args:
        key: Idempotency key.

    Raises:
        SecretUnavailable: One of the secrets is missing.
    """
    credentials = None
    if spec.credentials_from is not None:
        reference = spec.credentials_from
        credentials = SecretStr(await secrets.value(namespace, reference.name, reference.key))
    request = ApiRequest(
        url=spec.url,
        method=spec.method,
        headers=await secrets.named_values(namespace, spec.headers),
        body=spec.body,
        credentials=credentials,
        idempotency_key=key,
    )
    changes: dict[str, Any] = {
        "credentials_header": spec.credentials_header,
        "idempotency_header": spec.idempotency_header,
        "max_response_bytes": spec.max_response_bytes,
    }
    return replace(request, **{name: value for name, value in changes.items() if value is not None})


def _spec(tool: Tool) -> ExternalAPI | None:
    return tool.spec.execute.external_api if tool.spec.execute else None
