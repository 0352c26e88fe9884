"""The index of Agents by what they refer to, and the map from a changed object to the Agents that refer to it."""

from __future__ import annotations

from typing import Any

from kubechain.api.agent import Agent
from kubechain.api.meta import StatusObject
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

BY_DEPENDENCY = "dependency"


def dependency_index(agent: Agent) -> list[str]:
    """Everything that an Agent refers to, as `Kind/namespace/name`."""
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
    """The Agents that refer to an object."""
    key = f"{dependency.kind}/{dependency.metadata.namespace}/{dependency.metadata.name}"
    return [Request(agent.metadata.namespace, agent.metadata.name) for agent in agents.by_index(BY_DEPENDENCY, key)]
