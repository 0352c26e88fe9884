"""The index of Agents by what they refer to, and the map from a changed object to the Agents that refer to it."""

from __future__ import annotations

from typing import Any

from kubechain.api.agent import Agent
from kubechain.api.llm import LLM
from kubechain.api.meta import StatusObject
from kubechain.controllers import fallbackusers
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

BY_DEPENDENCY = "dependency"


def dependency_index(agent: Agent) -> list[str]:
    """The names that an Agent refers to, whatever the kind: one that is missing may be listed in the wrong field."""
    spec, namespace = agent.spec, agent.metadata.namespace
    references = (
        *agent.llm_refs,
        *spec.tools,
        *spec.mcp_servers,
        *spec.human_contact_channels,
        *spec.sub_agents,
    )
    return sorted({f"{namespace}/{reference.name}" for reference in references})


def agent_requests_for(agents: Lister[Agent], dependency: StatusObject[Any, Any]) -> list[Request]:
    """The Agents that refer to an object."""
    key = f"{dependency.metadata.namespace}/{dependency.metadata.name}"
    return [Request(agent.metadata.namespace, agent.metadata.name) for agent in agents.by_index(BY_DEPENDENCY, key)]


def agent_requests_for_llm(agents: Lister[Agent], llms: Lister[LLM], llm: LLM) -> list[Request]:
    """The Agents that refer to an LLM, or to one that has it as a fallback."""
    needed = (llm, *fallbackusers.users_of(llms, llm))
    return [request for one in needed for request in agent_requests_for(agents, one)]
