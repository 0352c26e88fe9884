"""Other Agents: a call is a run of its own, of the Agent that a Tool or `subAgents` names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kubechain.api import names
from kubechain.api.agent import Agent
from kubechain.api.meta import StatusType
from kubechain.api.references import SecretKeyRef
from kubechain.api.schema import JsonObject
from kubechain.api.taskrun import PinnedTool, ToolCallType
from kubechain.api.tool import Tool
from kubechain.controllers.toolkinds.model import (
    Delegate,
    Fail,
    Found,
    Offer,
    Plan,
    ToolKind,
    ToolOrigin,
    not_ready,
    tool_offer,
)

DEPTH_MAX = 8
"""How many Agents may delegate to each other in a chain."""

PARAMETERS: JsonObject = {
    "type": "object",
    "properties": {"message": {"type": "string", "minLength": 1, "description": "What the other agent is asked."}},
    "required": ["message"],
    "additionalProperties": False,
}


class AgentReader(Protocol):
    """Looks Agents up."""

    def get(self, namespace: str, name: str) -> Agent | None:
        """The Agent; None when there is none."""
        ...


def tool_kind(agents: AgentReader) -> ToolKind:
    """The row of the registry for this sort."""
    delegation = AgentTools(agents)
    return ToolKind(
        ToolCallType.DELEGATE_TO_AGENT,
        planner=delegation,
        provider=(ToolOrigin.AGENT, delegation),
        handler=delegation,
    )


@dataclass(frozen=True, slots=True)
class AgentTools:
    """Delegation to another Agent."""

    agents: AgentReader

    def offers(self, agent: Agent) -> Iterable[Offer]:
        """The Agent's sub-agents."""
        found = (self.agents.get(agent.metadata.namespace, reference.name) for reference in agent.spec.sub_agents)
        return [_sub_agent_offer(other) for other in found if other is not None]

    def find(self, namespace: str, pinned: PinnedTool) -> Found:
        """A sub-agent, once it is ready."""
        agent = self.agents.get(namespace, pinned.object)
        if agent is None or agent.status.status != StatusType.READY:
            return not_ready("agent", pinned.object, exists=agent is not None)
        return _sub_agent_offer(agent)

    def serves(self, tool: Tool) -> bool:
        """Whether the Tool delegates."""
        return tool.spec.agent_ref is not None

    def offer(self, tool: Tool, name: str) -> Offer:
        """The Tool, with the one argument that every Agent takes."""
        delegate = tool.spec.agent_ref.name if tool.spec.agent_ref else ""
        return tool_offer(
            tool,
            name,
            ToolCallType.DELEGATE_TO_AGENT,
            description=_description(delegate),
            parameters=PARAMETERS,
            delegate=delegate,
        )

    def secret_keys(self, tool: Tool) -> Sequence[SecretKeyRef]:
        """None: the other Agent has references of its own."""
        del tool
        return ()

    def wants_approval(self, tool: Tool) -> bool:
        """No: `agentRef` has no such field."""
        del tool
        return False

    async def check(self, tool: Tool) -> None:
        """Nothing: whether the Agent is ready is decided with the Tool's references."""
        del tool

    @property
    def acts_outside(self) -> bool:
        """A call has effects outside this process."""
        return True

    def obstacle(self, offer: Offer) -> str:
        """Nothing: an API server is all that delegation needs."""
        del offer
        return ""

    def plan(self, offer: Offer, arguments: dict[str, Any], *, attempt: int, depth: int) -> Plan:
        """Delegate, unless the chain of delegations is too long."""
        del attempt
        if depth >= DEPTH_MAX:
            return Fail(f"agents delegate to agents at most {DEPTH_MAX} levels deep")
        return Delegate(agent=offer.delegate, message=str(arguments["message"]))


def _sub_agent_offer(agent: Agent) -> Offer:
    name = agent.metadata.name
    return Offer(
        name=names.delegate_tool_name(name),
        origin=ToolOrigin.AGENT,
        object=name,
        tool="",
        description=agent.spec.description or _description(name),
        parameters=PARAMETERS,
        call_type=ToolCallType.DELEGATE_TO_AGENT,
        delegate=name,
    )


def _description(agent: str) -> str:
    return f"Delegate a task to the agent {agent}."
