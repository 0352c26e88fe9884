"""Registers the control loop of Agents."""

from __future__ import annotations

from typing import Any

from kubechain.api import reasons
from kubechain.api.meta import StatusObject
from kubechain.controllers import resources
from kubechain.controllers.agent import watches
from kubechain.controllers.agent.observe import Readers
from kubechain.controllers.agent.reconciler import AgentReconciler
from kubechain.controllers.parts import Parts
from kubechain.runtime.controller import controller
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager


def setup(manager: Manager, parts: Parts) -> None:
    """Follow Agents and everything that they refer to."""
    agents, llms = manager.lister(resources.AGENTS), manager.lister(resources.LLMS)
    manager.add_index(resources.AGENTS, watches.BY_DEPENDENCY, watches.dependency_index)
    reconciler = AgentReconciler(
        agents=agents,
        readers=Readers(
            llms=llms,
            tools=manager.lister(resources.TOOLS),
            mcp_servers=manager.lister(resources.MCP_SERVERS),
            contact_channels=manager.lister(resources.CONTACT_CHANNELS),
            agents=agents,
            kinds=parts.tool_kinds,
        ),
        writer=parts.writer(resources.AGENTS, reasons.AGENT_CONTROLLER),
        clock=manager.clock,
    )

    def dependents(obj: StatusObject[Any, Any]) -> list[Request]:
        return watches.agent_requests_for(agents, obj)

    (
        controller(manager, "agent")
        .for_(resources.AGENTS)
        .watches(resources.LLMS, map=lambda llm: watches.agent_requests_for_llm(agents, llms, llm))
        .watches(resources.TOOLS, map=dependents)
        .watches(resources.MCP_SERVERS, map=dependents)
        .watches(resources.CONTACT_CHANNELS, map=dependents)
        .watches(resources.AGENTS, map=dependents)
        .complete(reconciler)
    )
