"""TaskRunToolCall: one call of a tool, asked for by the model in a TaskRun."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from kubechain.api.approval import AskedOfPerson
from kubechain.api.humanrequest import SHOWN_ARGUMENTS_LIMIT, HumanRequestType
from kubechain.api.message import CONTENT_LIMIT
from kubechain.api.meta import KubeModel, MicroTime, StatusBase, StatusObject, Time
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import Json, Name, NonNegativeInt, Rule, Schema, Url, final_phase_rule
from kubechain.api.taskrun import SpanContext, ToolCallType
from kubechain.api.tool import ToolSemantics
from kubechain.api.usage import Spending

EARLIER_LIMIT = 64
"""Most decided requests for input that a call keeps; the oldest is dropped first."""


class ToolCallPhase(StrEnum):
    """The phase of a call."""

    PENDING = "Pending"
    AWAITING_HUMAN_APPROVAL = "AwaitingHumanApproval"
    ERROR_REQUESTING_HUMAN_APPROVAL = "ErrorRequestingHumanApproval"
    READY_TO_EXECUTE_APPROVED_TOOL = "ReadyToExecuteApprovedTool"
    AWAITING_HUMAN_INPUT = "AwaitingHumanInput"
    ERROR_REQUESTING_HUMAN_INPUT = "ErrorRequestingHumanInput"
    AWAITING_SUB_AGENT = "AwaitingSubAgent"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TOOL_CALL_REJECTED = "ToolCallRejected"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    CANCELLED = "Cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether the call has ended; the API server refuses a change of such a phase."""
        return self in TERMINAL_TOOL_CALL_PHASES


TERMINAL_TOOL_CALL_PHASES = frozenset(
    {
        ToolCallPhase.SUCCEEDED,
        ToolCallPhase.FAILED,
        ToolCallPhase.TOOL_CALL_REJECTED,
        ToolCallPhase.OUTCOME_UNKNOWN,
        ToolCallPhase.CANCELLED,
    }
)


class ToolCallStatusType(StrEnum):
    """The summary of a call's state."""

    PENDING = "Pending"
    READY = "Ready"
    ERROR = "Error"
    SUCCEEDED = "Succeeded"


class TaskRunToolCallSpec(KubeModel):
    """The tool call that the model asked for. Immutable."""

    crd_rules = (Rule("self == oldSelf", "a tool call is immutable: it is what the model asked for"),)

    tool_call_id: Name = Field(description="Id of the call in the model's message.")
    task_run_ref: LocalObjectReference = Field(description="TaskRun that the call belongs to.")
    tool_ref: LocalObjectReference = Field(description="Tool that is called, by the name under which it was offered.")
    arguments: Annotated[str, Schema(max_length=CONTENT_LIMIT)] = Field(
        default="", description="Arguments as JSON text, byte for byte what the model sent."
    )
    tool_type: ToolCallType | None = Field(default=None, description="What executes the call.")
    args_sha: Annotated[str, Schema(max_length=64)] | None = Field(
        default=None, description="SHA-256 of tool name and arguments."
    )
    idempotency_key: Annotated[str, Schema(max_length=64)] | None = Field(
        default=None,
        description="Key that is sent with every attempt of this call, so that the tool can detect a repeat.",
    )


class Execution(KubeModel):
    """The claim of a process to execute the call; written before it is executed."""

    attempt: NonNegativeInt = Field(description="How many attempts there were before this one.")
    token: Annotated[str, Schema(max_length=64)] = Field(description="Identity of this attempt.")
    holder: Annotated[str, Schema(max_length=512)] = Field(description="Process that executes the call.")
    semantics: ToolSemantics = Field(description="Whether the call may be repeated when it is interrupted.")
    key: Annotated[str, Schema(max_length=64)] = Field(default="", description="Idempotency key that was sent.")
    started_at: MicroTime = Field(description="When the attempt was started.")
    deadline: MicroTime = Field(description="When the attempt times out.")


class Approval(AskedOfPerson):
    """What a person is asked about the call, and what they decided; expiry rejects the call."""

    arguments: Annotated[str, Schema(max_length=CONTENT_LIMIT)] | None = Field(
        default=None, description="Arguments that the person approved instead of the model's own, as JSON text."
    )


class HumanInput(AskedOfPerson):
    """What the call waits for a person to tell: an answer, the fields of a form, or what became of it."""

    type: HumanRequestType = Field(description="What is asked for: Question, Form, Url or Outcome.")
    round: NonNegativeInt = Field(default=0, description="How many requests for input the call made before this one.")
    attempt: NonNegativeInt | None = Field(
        default=None, description="Attempt of the call that it is about; not set: the call had not been attempted."
    )
    answer: Annotated[str, Schema(max_length=CONTENT_LIMIT)] | None = Field(
        default=None,
        description="What the person answered, where the call goes on with it, such as the fields of a form as JSON. "
        "The answer to a question is the result of the call.",
    )
    earlier: Annotated[tuple[AskedOfPerson, ...], Schema(max_items=EARLIER_LIMIT)] = Field(
        default=(), description="The requests for input before this one, the oldest first, as they were decided."
    )


class ElicitedItem(KubeModel):
    """One thing that the MCP server asks a person for, and the reply once there is one."""

    key: Annotated[str, Schema(max_length=1024)] = Field(
        default="", description="What the server calls it among those that it asks for at once."
    )
    message: Annotated[str, Schema(max_length=4096)] = Field(default="", description="What the server says to people.")
    schema_: Json | None = Field(default=None, description="Form: JSON schema of the fields, flat.")
    url: Url | None = Field(default=None, description="Url: the address that a person is asked to open.")
    action: Literal["accept", "decline", "cancel"] | None = Field(
        default=None, description="What the server is told: that a person accepted, or said no."
    )
    content: Annotated[str, Schema(max_length=SHOWN_ARGUMENTS_LIMIT)] | None = Field(
        default=None, description="Form: the fields that a person filled in, as JSON text."
    )
    problem: Annotated[str, Schema(max_length=1024)] | None = Field(
        default=None, description="What was wrong with the last answer; a person is asked again."
    )


class Elicitation(KubeModel):
    """What the MCP server wants to know before it carries the call out; the same call goes again with the replies."""

    rounds: NonNegativeInt = Field(default=1, description="How many times the server has asked.")
    attempt: NonNegativeInt = Field(default=0, description="Attempt of the call that the server asked in last.")
    request_state: Annotated[str, Schema(max_length=65536)] | None = Field(
        default=None, description="What the server wants back with the replies, byte for byte. It may be a secret."
    )
    items: Annotated[tuple[ElicitedItem, ...], Schema(max_items=16)] = Field(
        default=(), description="What the server asked for last; a person is asked for one after the other."
    )
    earlier: Annotated[tuple[ElicitedItem, ...], Schema(max_items=256)] = Field(
        default=(), description="What it asked for before, with the replies."
    )

    @property
    def open_index(self) -> int | None:
        """Which item a person is asked for now; None where all are replied to."""
        return next((index for index, item in enumerate(self.items) if item.action is None), None)

    def with_item(self, index: int, **changes: object) -> Elicitation:
        """This one, with one item changed."""
        items = list(self.items)
        items[index] = items[index].with_changes(**changes)
        return self.with_changes(items=tuple(items))


class TaskRunToolCallStatus(StatusBase):
    """The phase of the call, and its result."""

    status: ToolCallStatusType | None = Field(default=None, description="Summary: Pending, Ready, Error or Succeeded.")
    phase: ToolCallPhase | None = Field(default=None, description="Phase of the call.")
    external_call_id: Annotated[str, Schema(max_length=253)] | None = Field(
        default=None, description="Id of the call at the service that executes it."
    )
    result: Annotated[str, Schema(max_length=CONTENT_LIMIT)] | None = Field(
        default=None, description="Result of the tool."
    )
    error: Annotated[str, Schema(max_length=4096)] | None = Field(default=None, description="Error of the call.")
    late_result: Annotated[str, Schema(max_length=CONTENT_LIMIT)] | None = Field(
        default=None, description="A result that came after the call had timed out; it has no effect."
    )
    start_time: Time | None = Field(default=None, description="When the call was started.")
    completion_time: Time | None = Field(default=None, description="When the call ended.")
    blocked_since: MicroTime | None = Field(
        default=None,
        description="Since when something that may pass keeps the call from going on, such as a create that the API "
        "server refuses; limits.retryFor of the Agent counts from here.",
    )
    span_context: SpanContext | None = Field(default=None, description="Trace that the call is recorded under.")
    execution: Execution | None = Field(default=None, description="What executes the call.")
    approval: Approval | None = Field(default=None, description="What a person is asked, and what they decided.")
    input: HumanInput | None = Field(
        default=None, description="What the call waits for a person to tell, and what they answered."
    )
    elicitation: Elicitation | None = Field(
        default=None, description="What the MCP server wants to know before it carries the call out."
    )
    spent: Spending | None = Field(
        default=None, description="What the run of another agent spent for the call, with all runs below it."
    )

    @property
    def is_over(self) -> bool:
        """Whether the phase is the last one."""
        return self.phase is not None and self.phase.is_terminal

    @property
    def questions(self) -> tuple[AskedOfPerson, ...]:
        """What people were asked about the call, in order."""
        approval = () if self.approval is None else (self.approval,)
        return approval if self.input is None else (*approval, *self.input.earlier, self.input)

    @property
    def open_question(self) -> Approval | HumanInput | None:
        """What a person is asked now: the last question, until its decision is recorded."""
        last = self.input or self.approval
        return last if last is not None and last.choice is None else None


class TaskRunToolCall(StatusObject[TaskRunToolCallSpec, TaskRunToolCallStatus]):
    """One call of a tool, asked for by the model in a TaskRun."""

    crd_rules = (final_phase_rule(TERMINAL_TOOL_CALL_PHASES, "the call is over: its phase is final"),)

    kind: str = "TaskRunToolCall"
    status: TaskRunToolCallStatus = Field(default_factory=TaskRunToolCallStatus)
