"""How each kind of tool is carried out: from a claimed call to an outcome, never an exception of a client.

Foreign errors end here. Each function knows one client and nothing of claims, statuses or retries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pydantic import SecretStr

from kubechain.api.mcpserver import MCPServer
from kubechain.api.tool import ExternalAPI, Tool
from kubechain.controllers import plan
from kubechain.controllers.offers import Offer, Source
from kubechain.controllers.secrets import SecretReader, SecretUnavailable
from kubechain.controllers.toolcall.outcomes import Answered, NotDone, Outcome, Unclear
from kubechain.mcp import errors as mcp_errors
from kubechain.mcp.model import CallResult, ServerKey
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, TransportError
from kubechain.tools.builtin import BUILTINS, Context
from kubechain.tools.external_api import ApiRequest
from kubechain.tools.model import AddressRefused, InvalidArguments, InvalidTool, NotExecuted, Output, Uncertain

READS_RESULTS = frozenset({"json_query"})
"""Builtins that look at what earlier calls answered."""

KEY_META = "kubechain.humanlayer.dev/idempotency-key"
"""Where MCP servers find the idempotency key of a call."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One claimed call with everything that carrying it out takes.

    Attributes:
        name: Of the call's object: deterministic, so that what was started under it can be found again.
        key: The same for every attempt.
        results: Looks up what earlier calls of the run answered, by tool call id; few tools ever ask.
    """

    namespace: str
    name: str
    uid: str
    offer: Offer
    tool: Tool | None
    server: MCPServer | None
    arguments: Mapping[str, Any] = field(repr=False)
    key: str
    timeout_seconds: float
    results: Callable[[], Mapping[str, str]] = field(repr=False)
    trace: Mapping[str, str] = field(default_factory=dict[str, str])


class Connections(Protocol):
    """The MCP connections of this process."""

    async def call(
        self,
        key: ServerKey,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        timeout_seconds: float,
        meta: Mapping[str, Any],
    ) -> CallResult: ...


class HttpCaller(Protocol):
    """The client of HTTP endpoints."""

    async def call(self, request: ApiRequest, arguments: Mapping[str, Any], *, timeout_seconds: float) -> Output: ...


class ContainerRunner(Protocol):
    """What runs containers here: the cluster, or an engine of this machine."""

    async def run(self, call: Prepared) -> Output: ...


@dataclass(frozen=True, slots=True)
class Executors:
    """All the ways to carry a call out."""

    connections: Connections
    http: HttpCaller
    containers: ContainerRunner
    secrets: SecretReader
    clock: Clock

    async def execute(self, call: Prepared) -> Outcome:
        """Carry a call out once."""
        try:
            return _answered(await self._output(call))
        except (mcp_errors.NotSent, AddressRefused) as error:
            return NotDone(str(error), may_pass=isinstance(error, mcp_errors.NotSent))
        except (InvalidTool, InvalidArguments, SecretUnavailable) as error:
            return NotDone(str(error))
        except NotExecuted as error:
            return NotDone(str(error), may_pass=True)
        except (mcp_errors.Uncertain, Uncertain) as error:
            return Unclear(str(error))

    async def _output(self, call: Prepared) -> Output | CallResult:
        match call.offer.source:
            case Source.MCP_SERVER:
                return await self._call_server(call)
            case Source.TOOL:
                return await self._run_tool(call)
            case Source.BUILTIN:
                return Output(plan.answer(dict(call.arguments)))
            case Source.AGENT:
                raise AssertionError("delegation has no executor: it is a run of its own")

    async def _call_server(self, call: Prepared) -> CallResult:
        assert call.server is not None
        metadata = call.server.metadata
        return await self.connections.call(
            ServerKey(metadata.namespace, metadata.uid, metadata.name),
            call.offer.tool,
            call.arguments,
            timeout_seconds=call.timeout_seconds,
            meta={KEY_META: call.key, **call.trace},
        )

    async def _run_tool(self, call: Prepared) -> Output:
        execute = call.tool.spec.execute if call.tool else None
        if execute is None:
            raise InvalidTool(f'Tool "{call.offer.object}" says nothing about what a call does')
        if execute.builtin is not None:
            context = Context(now=self.clock.now())
            if execute.builtin.name in READS_RESULTS:
                context = replace(context, results=call.results())
            return BUILTINS[execute.builtin.name].run(call.arguments, context)
        if execute.external_api is not None:
            request = await self._request(execute.external_api, call)
            return await self.http.call(request, call.arguments, timeout_seconds=call.timeout_seconds)
        return await self.containers.run(call)

    async def _request(self, spec: ExternalAPI, call: Prepared) -> ApiRequest:
        """The endpoint with its secrets; while they cannot be read, nothing was sent, and that is worth knowing."""
        try:
            return await api_request(spec, call.namespace, call.key, self.secrets)
        except (ApiError, TransportError) as error:
            raise NotExecuted(f"cannot read the secrets of the tool: {error}"[:256]) from error


def _answered(output: Output | CallResult) -> Answered:
    return Answered(output.content, is_error=output.is_error)


async def api_request(spec: ExternalAPI, namespace: str, key: str, secrets: SecretReader) -> ApiRequest:
    """An HTTP endpoint with its secrets resolved.

    Raises:
        SecretUnavailable: One of them is missing.
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
