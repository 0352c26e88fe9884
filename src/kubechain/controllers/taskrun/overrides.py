"""Whether an Agent can serve a run that has an LLM of its own. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from kubechain.api.agent import Agent
from kubechain.api.meta import StatusType
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import TaskRun


def is_usable(run: TaskRun, agent: Agent, own_llm_is_ready: bool) -> bool:
    """Whether the Agent is ready, or lacks nothing but an LLM that the run does not use.

    Args:
        own_llm_is_ready: Whether the LLM that the Agent names is.
    """
    if agent.status.status == StatusType.READY:
        return True
    return run.spec.llm_ref is not None and not own_llm_is_ready and _has_all_tools(agent)


def _has_all_tools(agent: Agent) -> bool:
    """Whether all that the Agent names besides LLMs can be used, as its status says of the spec that it has now."""
    spec, status = agent.spec, agent.status
    is_current = status.observed_generation == agent.metadata.generation
    return (
        is_current
        and _names(spec.tools) <= {one.name for one in status.valid_tools}
        and _names(spec.mcp_servers) <= {one.name for one in status.valid_mcp_servers}
        and _names(spec.human_contact_channels) <= {one.name for one in status.valid_human_contact_channels}
        and _names(spec.sub_agents) <= {one.name for one in status.valid_sub_agents}
    )


def _names(references: Iterable[LocalObjectReference]) -> set[str]:
    return {reference.name for reference in references}
