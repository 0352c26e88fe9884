"""What an Agent's model is offered: one list of names, each with what it stands for.

Made from the Agent when a run begins, pinned there, and found again by look-up at every turn and every call; names are
never taken apart. Called by the kinds that offer, validate and carry out tools. What must not go here: requests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import orjson

from kubechain.api import names
from kubechain.api.agent import Agent
from kubechain.api.mcpserver import MCPServer, MCPTool
from kubechain.api.meta import StatusType
from kubechain.api.schema import JsonObject
from kubechain.api.taskrun import PinnedTool, ToolCallType
from kubechain.api.tool import Tool
from kubechain.controllers import plan
from kubechain.tools.builtin import BUILTINS

TASK_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"message": {"type": "string", "minLength": 1, "description": "What the other agent is asked."}},
    "required": ["message"],
    "additionalProperties": False,
}


class Source(StrEnum):
    """What stands behind an offered name; values as in `PinnedTool.kind`."""

    TOOL = "Tool"
    MCP_SERVER = "MCPServer"
    AGENT = "Agent"
    BUILTIN = "Builtin"


@dataclass(frozen=True, slots=True)
class Offer:
    """One tool as the model is told of it.

    Attributes:
        object: Name of the object that provides it; empty for a builtin.
        tool: Its own name there, where one object provides several.
        call_type: Who carries its calls out.
    """

    name: str
    source: Source
    object: str
    tool: str
    description: str
    parameters: JsonObject
    call_type: ToolCallType

    def pin(self) -> PinnedTool:
        """What a run remembers of it."""
        digest = hashlib.sha256(orjson.dumps(self.parameters, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return PinnedTool(
            name=self.name,
            kind=self.source,
            object=self.object,
            tool=self.tool,
            type=self.call_type,
            schema_hash=digest,
        )


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that was offered is not usable now, and what to wait for."""

    detail: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Something that was offered is not offered any more by whoever provided it: waiting would not help."""

    detail: str


Found = Offer | Missing | Withdrawn


class ToolReader(Protocol):
    """Where Tools are looked up."""

    def get(self, namespace: str, name: str) -> Tool | None: ...


class ServerReader(Protocol):
    """Where MCPServers are looked up."""

    def get(self, namespace: str, name: str) -> MCPServer | None: ...


class AgentReader(Protocol):
    """Where Agents are looked up."""

    def get(self, namespace: str, name: str) -> Agent | None: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that can stand behind a name."""

    tools: ToolReader
    mcp_servers: ServerReader
    agents: AgentReader

    def offers_of(self, agent: Agent) -> tuple[Offer, ...]:
        """All that an Agent's model may call, in the order of its spec; what does not exist is left out."""
        return tuple(self._of(agent))

    def find(self, namespace: str, pinned: PinnedTool) -> Found:
        """What a pinned name stands for now."""
        match pinned.kind:
            case Source.TOOL:
                return self._found_tool(self.tools.get(namespace, pinned.object), pinned)
            case Source.MCP_SERVER:
                return _found_mcp_tool(self.mcp_servers.get(namespace, pinned.object), pinned)
            case Source.AGENT:
                return _found_agent(self.agents.get(namespace, pinned.object), pinned)
            case _:
                return PLAN_OFFER

    def _of(self, agent: Agent) -> Iterable[Offer]:
        namespace, spec = agent.metadata.namespace, agent.spec
        for reference in spec.tools:
            if (tool := self.tools.get(namespace, reference.name)) is not None:
                yield self._tool_offer(tool)
        for reference in spec.mcp_servers:
            if (server := self.mcp_servers.get(namespace, reference.name)) is not None:
                yield from (mcp_offer(server, tool) for tool in server.status.tools)
        for reference in spec.sub_agents:
            if (other := self.agents.get(namespace, reference.name)) is not None:
                yield _agent_offer(other)
        if spec.planning:
            yield PLAN_OFFER

    def _found_tool(self, tool: Tool | None, pinned: PinnedTool) -> Found:
        if tool is None or tool.status.status != StatusType.READY:
            return _not_ready("Tool", pinned.object, exists=tool is not None)
        return self._tool_offer(tool, pinned.name)

    def _tool_offer(self, tool: Tool, name: str | None = None) -> Offer:
        description, parameters = _words_of(tool)
        return Offer(
            name=name or names.offered_tool_name(tool.offered_name),
            source=Source.TOOL,
            object=tool.metadata.name,
            tool="",
            description=description,
            parameters=parameters,
            call_type=_type_of(tool),
        )


def _type_of(tool: Tool) -> ToolCallType:
    """What the Tool does, whether or not its author named the type too."""
    execute = tool.spec.execute
    if tool.spec.agent_ref is not None:
        return ToolCallType.DELEGATE_TO_AGENT
    if execute is not None and execute.external_api is not None:
        return ToolCallType.EXTERNAL_API
    if execute is not None and execute.container is not None:
        return ToolCallType.CONTAINER
    return ToolCallType.FUNCTION


def _words_of(tool: Tool) -> tuple[str, JsonObject]:
    """Description and schema: the author's, else those that come with what the Tool does."""
    spec = tool.spec
    if spec.agent_ref is not None:
        return spec.description or f"Delegate a task to the agent {spec.agent_ref.name}.", TASK_SCHEMA
    builtin = BUILTINS.get(spec.execute.builtin.name) if spec.execute and spec.execute.builtin else None
    if builtin is None:
        return spec.description or "", tool.input_schema
    own_schema = spec.parameters or spec.arguments
    return spec.description or builtin.description, own_schema or dict(builtin.schema)


def mcp_offer(server: MCPServer, tool: MCPTool) -> Offer:
    """A tool of an MCP server."""
    return Offer(
        name=names.mcp_tool_name(server.metadata.name, tool.name),
        source=Source.MCP_SERVER,
        object=server.metadata.name,
        tool=tool.name,
        description=tool.description or "",
        parameters=tool.input_schema or {"type": "object", "properties": {}},
        call_type=ToolCallType.MCP,
    )


def _agent_offer(agent: Agent) -> Offer:
    return Offer(
        name=names.delegate_tool_name(agent.metadata.name),
        source=Source.AGENT,
        object=agent.metadata.name,
        tool="",
        description=agent.spec.description or f"Delegate a task to the agent {agent.metadata.name}.",
        parameters=TASK_SCHEMA,
        call_type=ToolCallType.DELEGATE_TO_AGENT,
    )


PLAN_OFFER = Offer(
    name=plan.NAME,
    source=Source.BUILTIN,
    object="",
    tool=plan.NAME,
    description=plan.DESCRIPTION,
    parameters=plan.PARAMETERS,
    call_type=ToolCallType.FUNCTION,
)


def _found_mcp_tool(server: MCPServer | None, pinned: PinnedTool) -> Found:
    if server is None or server.status.status != StatusType.READY:
        return _not_ready("MCPServer", pinned.object, exists=server is not None)
    for tool in server.status.tools:
        if tool.name == pinned.tool:
            return mcp_offer(server, tool)
    return Withdrawn(f'MCPServer "{pinned.object}" no longer offers the tool "{pinned.tool}"')


def _found_agent(agent: Agent | None, pinned: PinnedTool) -> Found:
    if agent is None or agent.status.status != StatusType.READY:
        return _not_ready("agent", pinned.object, exists=agent is not None)
    return _agent_offer(agent)


def _not_ready(kind: str, name: str, *, exists: bool) -> Missing:
    return Missing(f'Waiting for {kind} "{name}" to {"become ready" if exists else "exist"}')


def doubled_names(offers: Iterable[Offer]) -> list[str]:
    """Names that two offers share: the model could not say which one it means."""
    seen: set[str] = set()
    return [offer.name for offer in offers if offer.name in seen or seen.add(offer.name)]
