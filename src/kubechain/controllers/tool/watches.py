"""Indexes of Tools by what they refer to, and maps from a changed object to the Tools that refer to it."""

from __future__ import annotations

from collections.abc import Iterable

from kubechain.api.agent import Agent
from kubechain.api.tool import Tool
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Metadata
from kubechain.runtime.store import Lister

BY_KEY_SOURCE = "tools-by-key-source"
BY_AGENT = "agent"


def agent_index(tool: Tool) -> list[str]:
    """The Agent that a Tool delegates to."""
    return [f"{tool.metadata.namespace}/{tool.spec.agent_ref.name}"] if tool.spec.agent_ref else []


def tool_requests_for_secret(tools: Lister[Tool], secret: Metadata | Request) -> list[Request]:
    """The Tools that refer to a Secret."""
    return _requests(tools.by_index(BY_KEY_SOURCE, f"{secret.namespace}/{secret.name}"))


def tool_requests_for_agent(tools: Lister[Tool], agent: Agent) -> list[Request]:
    """The Tools that delegate to an Agent."""
    return _requests(tools.by_index(BY_AGENT, f"{agent.metadata.namespace}/{agent.metadata.name}"))


def _requests(tools: Iterable[Tool]) -> list[Request]:
    return [Request(tool.metadata.namespace, tool.metadata.name) for tool in tools]
