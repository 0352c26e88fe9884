"""TaskRunToolCall: one call of a tool, asked for by the model in a TaskRun."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from kubechain.api.message import CONTENT_LIMIT
from kubechain.api.meta import KubeModel, MicroTime, StatusBase, StatusObject, Time
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import Name, NonNegativeInt, Rule, Schema, final_phase_rule
from kubechain.api.taskrun import SpanContext, ToolCallType
from kubechain.api.tool import ToolSemantics


class ToolCallPhase(StrEnum):
    """Where a call stands."""

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
        """Whether the call is over; the API server refuses to leave such a phase."""
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
    """What was asked for. Immutable."""

    crd_rules = (Rule("self == oldSelf", "a tool call is immutable: it is what the model asked for"),)

    tool_call_id: Name = Field(description="Id of the call in the model's message.")
    task_run_ref: LocalObjectReference = Field(description="TaskRun that the call belongs to.")
    tool_ref: LocalObjectReference = Field(description="Tool that is called, by the name under which it was offered.")
    arguments: Annotated[str, Schema(max_length=CONTENT_LIMIT)] = Field(
        default="", description="Arguments as JSON text, byte for byte what the model sent."
    )
    tool_type: ToolCallType | None = Field(default=None, description="Who carries the call out.")
    args_sha: Annotated[str, Schema(max_length=64)] | None = Field(
        default=None, description="SHA-256 of tool name and arguments; approvals are bound to it."
    )
    idempotency_key: Annotated[str, Schema(max_length=64)] | None = Field(
        default=None, description="Key that goes with every attempt of this call, so that the tool can tell a repeat."
    )


class Execution(KubeModel):
    """Who carries the call out; written before anything is done."""

    attempt: NonNegativeInt = Field(description="How many attempts there were before this one.")
    token: Annotated[str, Schema(max_length=64)] = Field(description="Identity of this attempt.")
    holder: Annotated[str, Schema(max_length=512)] = Field(description="Process that carries the call out.")
    semantics: ToolSemantics = Field(description="Whether the call may be repeated when it is interrupted.")
    key: Annotated[str, Schema(max_length=64)] = Field(default="", description="Idempotency key that was sent.")
    started_at: MicroTime = Field(description="When the attempt was started.")
    deadline: MicroTime = Field(description="When the attempt is given up.")


class Approval(KubeModel):
    """The question put to a person, and the answer."""

    call_id: Annotated[str, Schema(max_length=253)] = Field(description="Id under which the question was put.")
    args_sha: Annotated[str, Schema(max_length=64)] = Field(description="What exactly the person was asked about.")
    expires_at: MicroTime = Field(description="When silence becomes a rejection.")
    sent_at: MicroTime | None = Field(default=None, description="When the question was put.")
    decision: Literal["Approved", "Rejected"] | None = Field(
        default=None, description="The answer; the first one counts."
    )
    decided_at: MicroTime | None = Field(default=None, description="When the answer came.")
    decided_by: Annotated[str, Schema(max_length=512)] | None = Field(default=None, description="Who answered.")
    decided_through: Annotated[str, Schema(max_length=253)] | None = Field(
        default=None, description="Channel through which the answer came."
    )
    comment: Annotated[str, Schema(max_length=4096)] | None = Field(default=None, description="What the person added.")


class TaskRunToolCallStatus(StatusBase):
    """How far the call is, and what came out."""

    status: ToolCallStatusType | None = Field(default=None, description="Summary: Pending, Ready, Error or Succeeded.")
    phase: ToolCallPhase | None = Field(default=None, description="Where the call stands.")
    external_call_id: Annotated[str, Schema(max_length=253)] | None = Field(
        default=None, description="Id of the call at the service that carries it out."
    )
    result: Annotated[str, Schema(max_length=CONTENT_LIMIT)] | None = Field(
        default=None, description="What the tool answered."
    )
    error: Annotated[str, Schema(max_length=4096)] | None = Field(default=None, description="What went wrong.")
    late_result: Annotated[str, Schema(max_length=CONTENT_LIMIT)] | None = Field(
        default=None, description="An answer that came after the call was given up; it changes nothing."
    )
    start_time: Time | None = Field(default=None, description="When the call was started.")
    completion_time: Time | None = Field(default=None, description="When the call was over.")
    span_context: SpanContext | None = Field(default=None, description="Trace that the call is recorded under.")
    execution: Execution | None = Field(default=None, description="Who carries the call out.")
    approval: Approval | None = Field(default=None, description="The question put to a person, and the answer.")


class TaskRunToolCall(StatusObject[TaskRunToolCallSpec, TaskRunToolCallStatus]):
    """One call of a tool, asked for by the model in a TaskRun."""

    crd_rules = (final_phase_rule(TERMINAL_TOOL_CALL_PHASES, "the call is over: its phase is final"),)

    kind: str = "TaskRunToolCall"
    status: TaskRunToolCallStatus = Field(default_factory=TaskRunToolCallStatus)
