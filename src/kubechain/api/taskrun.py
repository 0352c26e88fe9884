"""TaskRun: one conversation between an agent and its model, checkpointed in its status."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from kubechain.api import conditions
from kubechain.api.approval import PinnedApproval
from kubechain.api.budget import BUDGET_REQUESTS_LIMIT, BudgetRequest
from kubechain.api.context import SUMMARIES_LIMIT, AgentContext, RunContext, Summary
from kubechain.api.contextchunk import MovedMessages
from kubechain.api.continuation import ContinuedFrom, ContinueFrom
from kubechain.api.fallbacks import ANSWERED_BY_LIMIT, FALLBACKS_LIMIT, AnsweredBy, PassedOvers, PinnedLLM
from kubechain.api.grant import GRANTS_LIMIT, Grant
from kubechain.api.message import CONTENT_LIMIT, TOOL_CALLS_LIMIT, Message
from kubechain.api.meta import KubeModel, MicroTime, ReadinessStatus, StatusObject, Time
from kubechain.api.planstep import PlanStep
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import (
    Duration,
    Json,
    Name,
    NonBlankText,
    NonNegativeInt,
    OutputSchema,
    PositiveInt,
    Rule,
    Schema,
    final_phase_rule,
    was_over,
)
from kubechain.api.tool import OnUnknownOutcome
from kubechain.api.turnrecord import TURN_RECORDS_LIMIT, TurnRecord
from kubechain.api.usage import COUNT_LIMIT, DAYS_LIMIT, DayUsage, Spending, Usage


class TaskRunPhase(StrEnum):
    """The phase of a run; the last three are final."""

    INITIALIZING = "Initializing"
    PENDING = "Pending"
    READY_FOR_LLM = "ReadyForLLM"
    SEND_CONTEXT_WINDOW_TO_LLM = "SendContextWindowToLLM"
    TOOL_CALLS_PENDING = "ToolCallsPending"
    CHECKING_TOOL_CALLS = "CheckingToolCalls"
    ERROR_BACKOFF = "ErrorBackoff"
    FINAL_ANSWER = "FinalAnswer"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended; the API server refuses a change of such a phase."""
        return self in TERMINAL_TASK_RUN_PHASES


TERMINAL_TASK_RUN_PHASES = frozenset({TaskRunPhase.FINAL_ANSWER, TaskRunPhase.FAILED, TaskRunPhase.CANCELLED})

_ContextWindow = Annotated[tuple[Message, ...], Schema(max_items=4096)]
_Token = Annotated[str, Schema(max_length=64)]
_Sha = Annotated[str, Schema(max_length=64)]
_Count = Annotated[int, Schema(minimum=0, maximum=COUNT_LIMIT)]


def _unchanged(field: str) -> Rule:
    """A rule that a field of the spec can be neither changed, added nor removed."""
    return Rule(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} is immutable: create a new TaskRun instead",
        f".{field}",
    )


def _not_after_the_end(field: str, value: str) -> Rule:
    """A rule for a whole run: once it is over, what would steer it stays as it is.

    Args:
        value: Expression of the part of the field that must not change.
    """
    before = value.replace("self.", "oldSelf.")
    return Rule(
        f"!({was_over(TERMINAL_TASK_RUN_PHASES)}) || ({value}) == ({before})",
        f"the run is over, so that {field} would have no effect: create a new TaskRun instead",
        f".spec.{field}",
    )


class SteeringMessage(KubeModel):
    """A message from a person to a running agent."""

    content: NonBlankText = Field(description="Text; it enters the conversation as a message of the user.")


class TaskRunSpec(KubeModel):
    """What is run. Immutable, except for cancel, messages, revokedGrants and ttlSecondsAfterFinished."""

    crd_rules = (
        Rule(
            "has(self.taskRef) || (has(self.agentRef) && "
            "(has(self.userMessage) || has(self.contextWindow) || has(self.continueFrom)))",
            "set taskRef, or agentRef with userMessage, contextWindow or continueFrom",
        ),
        Rule(
            "!has(self.continueFrom) || !(has(self.taskRef) || has(self.contextWindow) || "
            "has(self.taskRunToolCallRef))",
            "continueFrom gives the conversation to start from: set neither taskRef nor contextWindow nor "
            "taskRunToolCallRef",
            ".continueFrom",
        ),
        *(
            _unchanged(field)
            for field in (
                "taskRef",
                "agentRef",
                "userMessage",
                "taskRunToolCallRef",
                "contextWindow",
                "continueFrom",
                "llmRef",
                "system",
                "activeDeadlineSeconds",
                "outputSchema",
            )
        ),
        Rule(
            "!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",
            "a cancelled run cannot be continued: create a new TaskRun instead",
            ".cancel",
        ),
        Rule(
            "!has(oldSelf.messages) || (has(self.messages) && size(self.messages) >= size(oldSelf.messages))",
            "messages can only be added: the agent may have read the others",
            ".messages",
        ),
        Rule(
            "!has(oldSelf.revokedGrants) || (has(self.revokedGrants) && "
            "oldSelf.revokedGrants.all(name, name in self.revokedGrants))",
            "revokedGrants can only be added: a new approval needs a new decision",
            ".revokedGrants",
        ),
    )

    task_ref: LocalObjectReference | None = Field(default=None, description="Task that this is a run of.")
    agent_ref: LocalObjectReference | None = Field(
        default=None, description="Agent that does the work; overrides the Task's."
    )
    user_message: NonBlankText | None = Field(
        default=None, description="What the agent is asked; overrides the Task's message."
    )
    task_run_tool_call_ref: LocalObjectReference | None = Field(
        default=None, description="Tool call of another run that this run answers, when an agent delegated to this one."
    )
    context_window: _ContextWindow = Field(
        default=(), description="Messages to start from, to continue or fork an earlier conversation."
    )
    continue_from: ContinueFrom | None = Field(
        default=None,
        description="Run whose conversation to start from, of whatever size; userMessage comes after it, and is "
        "needed where its last message is an answer. The system prompt of that conversation stays, unless system is "
        "set.",
    )
    llm_ref: LocalObjectReference | None = Field(
        default=None,
        description="LLM that the run uses; overrides the Agent's, whose own need not be ready then. Runs below it use "
        "those of their Agents.",
    )
    system: NonBlankText | None = Field(
        default=None,
        description="System prompt of the run; overrides the Agent's, and that of a conversation to start from.",
    )
    messages: Annotated[tuple[SteeringMessage, ...], Schema(max_items=256)] = Field(
        default=(),
        description="Messages to the running agent, added at the end at any time; each enters the conversation once, "
        "at the next turn.",
    )
    cancel: bool = Field(default=False, description="Set to true to cancel the run.")
    revoked_grants: Annotated[
        tuple[Name, ...], Schema(max_items=GRANTS_LIMIT, extra={"x-kubernetes-list-type": "set"})
    ] = Field(
        default=(),
        description="HumanRequests that were approved for the rest of the run (status.grants) and count no longer; "
        "later calls need a decision again.",
    )
    ttl_seconds_after_finished: NonNegativeInt | None = Field(
        default=None,
        description="Seconds after which the finished run is deleted. Not set: as the Task says, else it is kept.",
    )
    active_deadline_seconds: PositiveInt | None = Field(
        default=None, description="Seconds that the run may take before it fails."
    )
    output_schema: OutputSchema | None = Field(
        default=None,
        description="JSON schema of an object that the answer must be; status.result has it. Not set: as the Task "
        "says, else the Agent. An answer that does not match is sent back to the model, at most twice; then the run "
        "fails.",
    )


class LLMClaim(KubeModel):
    """The claim of a process to the model call of a turn; written before the call is made."""

    turn: NonNegativeInt = Field(description="Turn that the call is for.")
    attempt: NonNegativeInt = Field(description="How many times the turn's call was started before this one.")
    llm_name: Name | None = Field(
        default=None, description="LLM that is called, where the run's LLM has fallbacks; else it is pinned.llmName."
    )
    passed_over: PassedOvers = Field(
        default=(), description="LLMs that are passed over for this call, in the order of the run's LLM and fallbacks."
    )
    failures: NonNegativeInt | None = Field(
        default=None, description="How many calls of this LLM failed before in the turn, in a way that may pass."
    )
    invalid_answers: NonNegativeInt | None = Field(
        default=None, description="How many answers of the model in this turn could not be used."
    )
    failing_since: MicroTime | None = Field(
        default=None, description="When the first call of the turn that failed was started; the limit retryFor counts."
    )
    summary_through: NonNegativeInt | None = Field(
        default=None,
        description="Of a call for a summary: the place of the first message that it does not replace; not set for the "
        "call of the turn itself.",
    )
    token: _Token = Field(description="Identity of this attempt; an answer counts only while the token is still here.")
    holder: Annotated[str, Schema(max_length=512)] = Field(description="Process that makes the call.")
    started_at: MicroTime = Field(description="When the call was started.")
    deadline: MicroTime = Field(description="When the call times out.")


class PendingToolCall(KubeModel):
    """A tool call of the current turn that has no result yet."""

    idx: NonNegativeInt = Field(description="Place of the call in the model's message, from 0.")
    tool_call_id: Name = Field(description="Id that the answer refers to.")
    name: Annotated[str, Schema(max_length=256)] = Field(description="Name under which the tool was offered.")
    arguments: Annotated[str, Schema(max_length=CONTENT_LIMIT)] = Field(
        default="", description="Arguments as JSON text, byte for byte what the model sent."
    )
    args_sha: _Sha = Field(description="SHA-256 of tool name and arguments.")
    object_name: Name | None = Field(
        default=None,
        description="Name of the TaskRunToolCall, where an earlier release made it under another name than this one.",
    )


class ToolCallType(StrEnum):
    """What executes a tool call."""

    FUNCTION = "function"
    DELEGATE_TO_AGENT = "delegateToAgent"
    EXTERNAL_API = "externalAPI"
    CONTAINER = "container"
    MCP = "mcp"
    HUMAN_CONTACT = "humanContact"


class PinnedTool(KubeModel):
    """A tool as it was offered when the run began: the name given to the model, and the object that provides it."""

    name: Annotated[str, Schema(max_length=256)] = Field(
        description="Name under which the tool is offered to the model."
    )
    kind: Annotated[str, Schema(max_length=63)] = Field(
        description="Kind of the object that provides it: Tool, MCPServer, Agent, ContactChannel, or Builtin for none."
    )
    object: Annotated[str, Schema(max_length=253)] = Field(
        default="", description="Name of the object that provides it."
    )
    tool: Annotated[str, Schema(max_length=256)] = Field(
        default="", description="The tool's own name there, where one object provides several."
    )
    type: ToolCallType | None = Field(default=None, description="What executes its calls.")
    schema_hash: _Sha = Field(default="", description="SHA-256 of its input schema.")
    approval: PinnedApproval | None = Field(
        default=None, description="That a person must approve its calls, and on which terms; not set: nobody must."
    )
    on_unknown_outcome: OnUnknownOutcome | None = Field(
        default=None, description="Whether a person is asked what became of a call whose outcome is not known."
    )


class PinnedPolicy(KubeModel):
    """An ApprovalPolicy that was about the agent when the run began."""

    name: Name = Field(description="Name of the ApprovalPolicy.")
    hash: _Sha = Field(description="SHA-256 of its spec.")


class Pinned(KubeModel):
    """Agent, LLM and tools of the run, fixed when it begins, so that later edits do not change its conversation."""

    agent_name: Name = Field(description="Agent that does the work.")
    agent_uid: Annotated[str, Schema(max_length=64)] = Field(default="", description="Its uid.")
    agent_generation: Annotated[int, Schema(minimum=0)] = Field(default=0, description="Generation of its spec.")
    llm_name: Name = Field(description="LLM that the agent uses.")
    llm_uid: Annotated[str, Schema(max_length=64)] = Field(default="", description="Its uid.")
    llm_generation: Annotated[int, Schema(minimum=0)] = Field(default=0, description="Generation of its spec.")
    fallbacks: Annotated[tuple[PinnedLLM, ...], Schema(max_items=FALLBACKS_LIMIT)] = Field(
        default=(), description="The LLM's fallbacks, in the order in which they are used."
    )
    tools: Annotated[tuple[PinnedTool, ...], Schema(max_items=1024)] = Field(
        default=(), description="Tools that are offered."
    )
    policies: Annotated[tuple[PinnedPolicy, ...], Schema(max_items=256)] = Field(
        default=(), description="ApprovalPolicies that were about the agent."
    )
    retry_for: Duration | None = Field(
        default=None, description="The Agent's limits.retryFor: how long the run tries what fails and may pass."
    )
    context: AgentContext | None = Field(
        default=None,
        description="The Agent's context: what becomes of a conversation that outgrows the model's window.",
    )
    task_sha: _Sha | None = Field(
        default=None, description="SHA-256 of what the Task asked when the run began; an edited Task has another."
    )
    output_schema: OutputSchema | None = Field(
        default=None, description="JSON schema of the answer: the run's own, else the Task's, else the Agent's."
    )


class SpanContext(KubeModel):
    """The trace that the run is recorded under."""

    trace_id: Annotated[str, Schema(max_length=32)] = Field(default="", description="OpenTelemetry trace id, in hex.")
    span_id: Annotated[str, Schema(max_length=16)] = Field(default="", description="OpenTelemetry span id, in hex.")


class TaskRunStatus(ReadinessStatus):
    """The conversation, and the phase of the run."""

    condition_types: ClassVar[Mapping[str, str]] = {
        conditions.FINISHED: conditions.FINISHED_DOC,
        conditions.SUCCEEDED: conditions.SUCCEEDED_DOC,
        conditions.LIMIT_NEAR: "True once 80 % of a limit (turns, tokens, tool calls) are used; the message says which",
        conditions.LIMIT_REACHED: "True while the run waits for a person to add to a limit that is reached, its own or "
        "that of a run above it; the message says which",
        conditions.WINDOW_FULL: "True once the conversation was nearly too large to store: the model was asked for its "
        "answer, without further tool calls",
        conditions.TRUNCATED: conditions.TRUNCATED_DOC,
    }

    phase: TaskRunPhase | None = Field(
        default=None, description="Phase of the run. FinalAnswer, Failed and Cancelled are final."
    )
    start_time: Time | None = Field(default=None, description="When the run began.")
    completion_time: Time | None = Field(default=None, description="When the run ended.")
    output: Annotated[str, Schema(max_length=CONTENT_LIMIT)] = Field(
        default="", description="The final answer; of a run that failed for the form of its answers the last one."
    )
    result: Json | None = Field(
        default=None, description="The final answer as an object that matches outputSchema, where there is one."
    )
    mismatch_count: NonNegativeInt = Field(
        default=0, description="How many answers did not match outputSchema; the model was asked again after each."
    )
    context_window: _ContextWindow = Field(
        default=(), description="The conversation so far; of a long one the newest messages, the others are in chunks."
    )
    continued_from: ContinuedFrom | None = Field(
        default=None, description="The run whose conversation the run began with, as spec.continueFrom says."
    )
    chunks: MovedMessages | None = Field(
        default=None, description="The older messages of a long conversation, which are in ContextChunks."
    )
    message_count: NonNegativeInt = Field(default=0, description="Number of messages in the whole conversation.")
    context: RunContext | None = Field(
        default=None,
        description="How large the conversation is for the model, and what of it the model is not sent any more.",
    )
    summaries: Annotated[tuple[Summary, ...], Schema(max_items=SUMMARIES_LIMIT)] = Field(
        default=(),
        description="Summaries that the model is or was sent in place of older messages, the oldest first.",
    )
    user_msg_preview: Annotated[str, Schema(max_length=64)] = Field(
        default="", description="The first 50 characters of the user's message."
    )
    error: Annotated[str, Schema(max_length=4096)] | None = Field(
        default=None, description="The last error; of a failed run the reason of the failure."
    )
    span_context: SpanContext | None = Field(default=None, description="Trace that the run is recorded under.")
    tool_call_request_id: Annotated[str, Schema(max_length=63)] | None = Field(
        default=None, description="Groups the tool calls of the current turn; they carry it as a label."
    )
    turn: NonNegativeInt = Field(default=0, description="Model calls whose answer was processed.")
    tool_call_count: NonNegativeInt = Field(default=0, description="Tool calls of the run that were answered.")
    messages_read: NonNegativeInt = Field(
        default=0, description="How many of spec.messages have entered the conversation."
    )
    llm: LLMClaim | None = Field(default=None, description="The model call in flight.")
    answered_by: Annotated[tuple[AnsweredBy, ...], Schema(max_items=ANSWERED_BY_LIMIT)] = Field(
        default=(),
        description="Which LLM answered which turns, and why that one, where the run's LLM has fallbacks; after many "
        "changes the newest.",
    )
    pending_turn: Annotated[tuple[PendingToolCall, ...], Schema(max_items=TOOL_CALLS_LIMIT)] = Field(
        default=(), description="Tool calls of the current turn that have no result yet."
    )
    usage: Usage | None = Field(default=None, description="Tokens and model calls of the run so far.")
    turn_records: Annotated[tuple[TurnRecord, ...], Schema(max_items=TURN_RECORDS_LIMIT)] = Field(
        default=(), description="What each turn took and spent; of a long run the newest turns."
    )
    usage_by_day: Annotated[tuple[DayUsage, ...], Schema(max_items=DAYS_LIMIT)] = Field(
        default=(),
        description="Tokens and cost of the run by the day on which the call of the model began, the newest last; "
        "Budgets with a period count it.",
    )
    sub_agent_usage: Spending | None = Field(
        default=None,
        description="What the runs below this one have spent, as far as their tool calls are answered; it counts "
        "against the limits of this run.",
    )
    pinned: Pinned | None = Field(default=None, description="Agent, LLM and tools of the run, fixed when it began.")
    plan: Annotated[tuple[PlanStep, ...], Schema(max_items=128)] = Field(
        default=(), description="The plan that the agent keeps, where its planning is on."
    )
    grants: Annotated[tuple[Grant, ...], Schema(max_items=GRANTS_LIMIT)] = Field(
        default=(),
        description="What people approved for the rest of the run. A grant is revoked by its requestName in "
        "spec.revokedGrants.",
    )
    budget_requests: Annotated[tuple[BudgetRequest, ...], Schema(max_items=BUDGET_REQUESTS_LIMIT)] = Field(
        default=(),
        description="What people were asked when the run had reached a limit, the oldest first; what they added to a "
        "limit of the Agent counts for this run and the runs below it, what they allowed beyond a Budget for this run.",
    )
    blocked_since: MicroTime | None = Field(
        default=None,
        description="Since when something that may pass keeps the run from going on, such as a create that the API "
        "server refuses; limits.retryFor of the Agent counts from here.",
    )
    waiting_for_budget: Name | None = Field(
        default=None, description="Budget of the namespace that is spent, so that the run waits before its model call."
    )
    next_attempt_at: MicroTime | None = Field(
        default=None, description="When the model is called again, in phase ErrorBackoff."
    )

    @property
    def is_over(self) -> bool:
        """Whether the phase is the last one."""
        return self.phase is not None and self.phase.is_terminal

    @property
    def open_budget_request(self) -> BudgetRequest | None:
        """What a person is asked now."""
        last = next(reversed(self.budget_requests), None)
        return last if last is not None and last.is_open else None


class TaskRun(StatusObject[TaskRunSpec, TaskRunStatus]):
    """One conversation between an agent and its model."""

    crd_rules = (
        final_phase_rule(TERMINAL_TASK_RUN_PHASES, "the run is over: its phase is final"),
        Rule(
            "!has(self.spec.continueFrom) || self.spec.continueFrom.name != self.metadata.name",
            "a run cannot continue itself",
            ".spec.continueFrom.name",
        ),
        _not_after_the_end("messages", "has(self.spec.messages) ? size(self.spec.messages) : 0"),
        _not_after_the_end("cancel", "has(self.spec.cancel) && self.spec.cancel"),
    )

    kind: str = "TaskRun"
    status: TaskRunStatus = Field(default_factory=TaskRunStatus)


def pinned_tool(run: TaskRun, name: str) -> PinnedTool | None:
    """The tool that was offered under a name when the run began; None where there was none, or it has not begun."""
    tools = run.status.pinned.tools if run.status.pinned else ()
    return next((tool for tool in tools if tool.name == name), None)
