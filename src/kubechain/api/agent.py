"""Agent: a system prompt, an LLM, and the tools, agents and contact channels that it may use."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from kubechain.api.context import AgentContext
from kubechain.api.meta import UNSEEN, KubeModel, ReadinessStatus, StatusObject
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import Duration, Name, NonBlankText, OutputSchema, PositiveInt, Schema, ShortText
from kubechain.api.usage import Dollars

_References = Annotated[tuple[LocalObjectReference, ...], Schema(max_items=256)]


DEFAULT_MAX_TURNS = 100
"""More than honest work takes, and few enough that a loop without end is soon over."""

DEFAULT_MAX_TOOL_CALLS = 1_000


class OnExceeded(StrEnum):
    """What becomes of a run that has reached a limit."""

    FAIL = "Fail"
    ASK = "Ask"


class AgentLimits(KubeModel):
    """Limits of one run of the agent and of all runs below it; a run that reaches one fails and names it, or asks."""

    max_turns: PositiveInt | None = Field(
        default=None,
        description=f"Most turns of one run and of the runs of its sub-agents together. Default: {DEFAULT_MAX_TURNS}.",
    )
    max_tokens: PositiveInt | None = Field(
        default=None,
        description="Most tokens, in and out, of one run and of the runs of its sub-agents together. "
        "Default: no limit but that of turns.",
    )
    max_tool_calls: PositiveInt | None = Field(
        default=None,
        description="Most tool calls of one run and of the runs of its sub-agents together. "
        f"Default: {DEFAULT_MAX_TOOL_CALLS}.",
    )
    max_cost: Dollars | None = Field(
        default=None,
        description='Most US dollars, a number such as "2.50" in quotes, that one run and the runs of its sub-agents '
        "may cost together, by the prices of their LLMs; a run whose LLM has no known price fails. Whatever onExceeded "
        "says, a run that reaches it fails. Default: no limit.",
    )
    on_exceeded: OnExceeded | None = Field(
        default=None,
        description="What becomes of a run that has reached a limit of turns, tokens or tool calls. Fail, the default: "
        "it fails. Ask: it waits for a person, up to seven days, who adds to the limit or lets it fail.",
    )
    retry_for: Duration | None = Field(
        default=None,
        description="How long a run goes on trying what fails and may pass, such as a model call that its server "
        'answers with HTTP 503: a duration such as "90s" or "1h30m", counted from the start of what failed first. Then '
        "the run fails with the last reason. Defaults to 1h.",
    )


class AgentSpec(KubeModel):
    """The agent's prompt, LLM, tools and limits."""

    llm_ref: LocalObjectReference = Field(description="LLM that the agent uses.")
    system: NonBlankText = Field(description="System prompt: the role of the agent and how it works.")
    tools: _References = Field(default=(), description="Tools that the agent may call.")
    mcp_servers: _References = Field(default=(), description="MCPServers whose tools the agent may call.")
    sub_agents: _References = Field(default=(), description="Agents that this one may delegate to.")
    human_contact_channels: _References = Field(
        default=(), description="ContactChannels through which the agent may ask people."
    )
    ask_human: bool | None = Field(
        default=None,
        description="Whether the agent may ask people without a ContactChannel, by the tool ask_human; kubectl is "
        "enough to answer.",
    )
    description: ShortText | None = Field(
        default=None, description="What the agent can do; models of agents that may delegate to it read this."
    )
    limits: AgentLimits | None = Field(
        default=None, description="Limits of one run of the agent, and of the runs below it."
    )
    context: AgentContext | None = Field(
        default=None, description="What becomes of a conversation that outgrows the window of its model."
    )
    planning: bool | None = Field(
        default=None, description="Whether the agent keeps a plan of its work in its run's status."
    )
    output_schema: OutputSchema | None = Field(
        default=None,
        description="JSON schema of an object that the agent's answers must be: those of runs that set no other one. "
        "An agent that delegated to this one reads that JSON.",
    )


class ResolvedTool(KubeModel):
    """A tool that was found usable."""

    kind: Annotated[str, Schema(max_length=63)] = Field(description="Kind of the object that provides it.")
    name: Name = Field(description="Name of that object.")


class ResolvedMCPServer(KubeModel):
    """An MCP server that was found usable."""

    name: Name = Field(description="Name of the MCPServer.")
    tools: Annotated[tuple[Annotated[str, Schema(max_length=256)], ...], Schema(max_items=1024)] = Field(
        default=(), description="Names of the tools that it offers."
    )


class ResolvedContactChannel(KubeModel):
    """A contact channel that was found usable."""

    name: Name = Field(description="Name of the ContactChannel.")
    type: Annotated[str, Schema(max_length=63)] = Field(description="Type of the ContactChannel.")


class ResolvedSubAgent(KubeModel):
    """A sub-agent that was found usable."""

    name: Name = Field(description="Name of the Agent.")


class AgentStatus(ReadinessStatus):
    """Whether the agent can be used, and which of its references were found usable."""

    valid_tools: Annotated[tuple[ResolvedTool, ...], Schema(max_items=256)] = Field(
        default=(), description="Tools that were found usable."
    )
    valid_mcp_servers: Annotated[tuple[ResolvedMCPServer, ...], Schema(max_items=256)] = Field(
        default=(), description="MCP servers that were found usable, with their tools."
    )
    valid_human_contact_channels: Annotated[tuple[ResolvedContactChannel, ...], Schema(max_items=256)] = Field(
        default=(), description="Contact channels that were found usable."
    )
    valid_sub_agents: Annotated[tuple[ResolvedSubAgent, ...], Schema(max_items=256)] = Field(
        default=(), description="Sub-agents that were found usable."
    )


class Agent(StatusObject[AgentSpec, AgentStatus]):
    """A system prompt, an LLM, and the tools, agents and contact channels that it may use."""

    kind: str = "Agent"
    status: Annotated[AgentStatus, UNSEEN] = Field(default_factory=AgentStatus)

    @property
    def llm_refs(self) -> tuple[LocalObjectReference, ...]:
        """The LLMs that it names: its own, and the one that writes summaries."""
        summariser = self.spec.context.summariser if self.spec.context else None
        return (self.spec.llm_ref, summariser.llm_ref) if summariser else (self.spec.llm_ref,)
