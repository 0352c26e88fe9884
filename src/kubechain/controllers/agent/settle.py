"""An Agent's next status: pure."""

from __future__ import annotations

from datetime import datetime

from kubechain.api import reasons
from kubechain.api.agent import Agent, ResolvedContactChannel, ResolvedMCPServer, ResolvedSubAgent, ResolvedTool
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.mcpserver import MCPServer
from kubechain.api.tool import Tool
from kubechain.controllers.agent.observe import Observed
from kubechain.controllers.frame import Event, Settled, normal, readiness
from kubechain.controllers.validation import Step, verdict


def settle(observed: Observed, step: Step, now: datetime) -> Settled:
    """The status that `step` leads to, with what is new about it as events."""
    agent = observed.agent
    status, event = verdict(step, accepted=reasons.ALL_DEPENDENCIES_VALIDATED)
    changes = readiness(agent, status, reason=event.reason, message=event.message, now=now)
    return Settled(changes | _resolved(observed), _news(agent, event))


def _news(agent: Agent, event: Event) -> tuple[Event, ...]:
    if not agent.status.status:
        return (normal(reasons.INITIALIZING, reasons.STARTING_VALIDATION), event)
    return () if agent.status.status_detail == event.message else (event,)


def _resolved(observed: Observed) -> dict[str, object]:
    """The status fields that list the references that can be used now."""
    usable = [dependency for dependency in observed.dependencies if dependency.is_ready]
    found = [dependency.found for dependency in usable]
    return {
        "valid_tools": tuple(
            ResolvedTool(kind="Tool", name=tool.metadata.name) for tool in found if isinstance(tool, Tool)
        ),
        "valid_mcp_servers": tuple(
            ResolvedMCPServer(name=server.metadata.name, tools=tuple(tool.name for tool in server.status.tools))
            for server in found
            if isinstance(server, MCPServer)
        ),
        "valid_human_contact_channels": tuple(
            ResolvedContactChannel(name=channel.metadata.name, type=str(channel.spec.type))
            for channel in found
            if isinstance(channel, ContactChannel)
        ),
        "valid_sub_agents": tuple(
            ResolvedSubAgent(name=agent.metadata.name) for agent in found if isinstance(agent, Agent)
        ),
    }
