"""Agent's control loop."""

from __future__ import annotations

from typing import Any

from kubechain.api.agent import Agent
from kubechain.api.meta import StatusObject
from kubechain.controllers.agent.decide import decide
from kubechain.controllers.agent.observe import Readers, observe
from kubechain.controllers.agent.settle import settle
from kubechain.controllers.frame import StatusWriter
from kubechain.controllers.resources import AGENTS
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


class AgentReconciler:
    """Keeps every Agent as ready as what it refers to; it has no effects, so it never waits for anything."""

    def __init__(self, *, agents: Lister[Agent], readers: Readers, writer: StatusWriter, clock: Clock) -> None:
        self._agents = agents
        self._readers = readers
        self._writer = writer
        self._clock = clock

    async def reconcile(self, request: Request) -> Result:
        """Bring one Agent's status up to date."""
        agent = self._agents.get(request.namespace, request.name)
        if agent is None or agent.metadata.deletion_timestamp is not None:
            return Result()
        observed = observe(agent, self._readers)
        await self._writer.write(AGENTS, agent, settle(observed, decide(observed), self._clock.now()))
        return Result()


BY_DEPENDENCY = "dependency"


def dependency_index(agent: Agent) -> list[str]:
    """Index of Agents by everything that they refer to, as `Kind/namespace/name`."""
    spec, namespace = agent.spec, agent.metadata.namespace
    references = (
        ("LLM", (spec.llm_ref,)),
        ("Tool", spec.tools),
        ("MCPServer", spec.mcp_servers),
        ("ContactChannel", spec.human_contact_channels),
        ("Agent", spec.sub_agents),
    )
    return [f"{kind}/{namespace}/{reference.name}" for kind, named in references for reference in named]


def agent_requests_for(agents: Lister[Agent], dependency: StatusObject[Any, Any]) -> list[Request]:
    """The Agents that a change of something they refer to concerns."""
    key = f"{dependency.kind}/{dependency.metadata.namespace}/{dependency.metadata.name}"
    return [Request(agent.metadata.namespace, agent.metadata.name) for agent in agents.by_index(BY_DEPENDENCY, key)]
