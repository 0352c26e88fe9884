"""Tools of MCP servers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kubechain.api import names
from kubechain.api.agent import Agent
from kubechain.api.approval import PinnedApproval
from kubechain.api.globs import matches_any
from kubechain.api.mcpserver import MCPServer, MCPTool
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import PinnedTool, ToolCallType
from kubechain.api.tool import ToolSemantics
from kubechain.controllers.toolkinds import elicited
from kubechain.controllers.toolkinds.model import (
    Answered,
    CallOutcome,
    Elicits,
    Execute,
    Found,
    Invocation,
    NotDone,
    Offer,
    Plan,
    ToolKind,
    ToolOrigin,
    Unclear,
    Withdrawn,
    not_ready,
)
from kubechain.mcp import errors
from kubechain.mcp.elicitation import Inputs
from kubechain.mcp.model import CallResult, Phase, ServerKey, ServerState
from kubechain.runtime.errors import ApiError, TransportError

TIMEOUT_SECONDS = 120.0
"""How long one call may take; MCPServers have no field for it."""

KEY_META = "kubechain.humanlayer.dev/idempotency-key"
"""Where MCP servers find the idempotency key of a call, in `_meta`."""


class ServerReader(Protocol):
    """Looks MCPServers up."""

    def get(self, namespace: str, name: str) -> MCPServer | None:
        """The server; None when there is none."""
        ...


class Connections(Protocol):
    """The MCP connections of this process."""

    def state(self, key: ServerKey) -> ServerState | None:
        """The state of the connection to a server; None when there is none."""
        ...

    async def call(
        self,
        key: ServerKey,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        timeout_seconds: float,
        meta: Mapping[str, Any],
        inputs: Inputs | None = None,
        may_hold: bool = False,
    ) -> CallResult | Inputs:
        """Call a tool once."""
        ...


def server_key(server: MCPServer) -> ServerKey:
    """The key of a server's connection: another object of the same name gets another connection."""
    return ServerKey(server.metadata.namespace, server.metadata.uid, server.metadata.name)


class Secrets(Protocol):
    """The Secrets that the connections use."""

    async def has_changed(self, namespace: str, names: Iterable[str]) -> bool:
        """Look at Secrets that are not watched; whether a control loop is told now that one changed."""
        ...


def tool_kind(servers: ServerReader, connections: Connections, secrets: Secrets) -> ToolKind:
    """The row of the registry for this sort."""
    mcp = MCPTools(servers, connections, secrets)
    return ToolKind(ToolCallType.MCP, planner=mcp, executor=mcp, provider=(ToolOrigin.MCP_SERVER, mcp))


@dataclass(frozen=True, slots=True)
class MCPTools:
    """Tools that MCPServers list in their status."""

    servers: ServerReader
    connections: Connections
    secrets: Secrets

    def offers(self, agent: Agent) -> Iterable[Offer]:
        """All tools of the Agent's servers."""
        found = (self.servers.get(agent.metadata.namespace, reference.name) for reference in agent.spec.mcp_servers)
        return [_offer(server, tool) for server in found if server is not None for tool in server.status.tools]

    def find(self, namespace: str, pinned: PinnedTool) -> Found:
        """The tool, once its server is ready."""
        server = self.servers.get(namespace, pinned.object)
        if server is None or server.status.status != StatusType.READY:
            return not_ready("MCPServer", pinned.object, exists=server is not None)
        tool = _tool(server, pinned.tool)
        if tool is None:
            return Withdrawn(f'MCPServer "{pinned.object}" no longer offers the tool "{pinned.tool}"')
        return _offer(server, tool)

    @property
    def acts_outside(self) -> bool:
        """A call has effects outside this process."""
        return True

    def obstacle(self, offer: Offer) -> str:
        """The connection of this process: the server's status may be that of another process."""
        state = self.connections.state(server_key(_server(offer)))
        if state is None or state.phase != Phase.READY:
            return f'Waiting for MCPServer "{offer.object}" to be connected'
        # A call that is lost with its server would otherwise make all its attempts before the loss is noticed.
        return f'Waiting for MCPServer "{offer.object}" to answer' if state.is_suspect else ""

    def plan(self, offer: Offer, arguments: dict[str, Any], *, attempt: int, depth: int) -> Plan:
        """Call the server."""
        del depth
        return Execute(
            offer=offer,
            arguments=arguments,
            semantics=_semantics(offer),
            attempt=attempt,
            timeout_seconds=TIMEOUT_SECONDS,
        )

    async def execute(self, invocation: Invocation) -> CallOutcome:
        """Call the server once, with the idempotency key and the trace context."""
        try:
            if await self._uses_old_secret(invocation):
                return NotDone(f'a Secret of MCPServer "{invocation.offer.object}" has changed', may_pass=True)
            result = await self._call(invocation)
        except errors.NotSent as error:
            return NotDone(str(error), may_pass=True)
        except errors.Uncertain as error:
            return Unclear(str(error))
        if isinstance(result, Inputs):
            return Elicits(elicited.recorded(result))
        return Answered(result.content, is_error=result.is_error)

    async def _uses_old_secret(self, invocation: Invocation) -> bool:
        """Whether the server is about to be connected anew; while that cannot be told, it is called as it is."""
        server = _server(invocation.offer)
        sources = (entry.value_from for entry in (*server.spec.env, *server.spec.headers))
        names = {source.secret_key_ref.name for source in sources if source is not None}
        try:
            return await self.secrets.has_changed(invocation.namespace, names)
        except (ApiError, TransportError):
            return False

    async def _call(self, invocation: Invocation) -> CallResult | Inputs:
        before = invocation.elicitation
        return await self.connections.call(
            server_key(_server(invocation.offer)),
            invocation.offer.tool,
            invocation.arguments,
            timeout_seconds=invocation.timeout_seconds,
            meta={KEY_META: invocation.key, **invocation.trace},
            inputs=None if before is None else elicited.inputs(before),
            may_hold=_semantics(invocation.offer) == ToolSemantics.AT_MOST_ONCE,
        )


def _offer(server: MCPServer, tool: MCPTool) -> Offer:
    return Offer(
        name=names.mcp_tool_name(server.metadata.name, tool.name),
        origin=ToolOrigin.MCP_SERVER,
        object=server.metadata.name,
        tool=tool.name,
        description=tool.description or "",
        parameters=tool.input_schema or {"type": "object", "properties": {}},
        call_type=ToolCallType.MCP,
        provider=server,
        approval=_approval(server, tool),
        on_unknown_outcome=server.spec.on_unknown_outcome,
    )


def _approval(server: MCPServer, tool: MCPTool) -> PinnedApproval | None:
    """The approval that the server's spec wants for calls of one of its tools.

    What the server itself says of a tool counts only where `trustAnnotations` is true.
    """
    spec, terms = server.spec, server.spec.approval
    if not spec.needs_approval or (terms and terms.tools and not matches_any(terms.tools, tool.name)):
        return None
    if terms and terms.except_read_only and spec.trust_annotations and tool.read_only:
        return None
    return PinnedApproval.of(terms, spec.approval_contact_channel)


def _tool(server: MCPServer, name: str) -> MCPTool | None:
    return next((tool for tool in server.status.tools if tool.name == name), None)


def _server(offer: Offer) -> MCPServer:
    assert isinstance(offer.provider, MCPServer), "offers of this sort carry their server"
    return offer.provider


def _semantics(offer: Offer) -> ToolSemantics:
    server = _server(offer)
    tool = _tool(server, offer.tool)
    return server.spec.semantics_of(tool) if tool is not None else ToolSemantics.AT_MOST_ONCE
