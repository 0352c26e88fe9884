"""What it means for a call's status that a person is asked, and decides: pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api import reasons
from kubechain.api.humanrequest import HumanRequestType
from kubechain.api.taskruntoolcall import Approval, HumanInput, TaskRunToolCall, ToolCallPhase, ToolCallStatusType
from kubechain.controllers import decisions
from kubechain.controllers.blocked import Block
from kubechain.controllers.frame import Settled, normal, warning
from kubechain.controllers.toolcall.steps import Approve, Ask, GoOn, Reject, Verdict
from kubechain.net.foreign import cut, harmless
from kubechain.runtime.errors import WriteRefused

REASON_MAX_CHARACTERS = 4_096
"""A person's comment goes whole to the model."""

DETAIL_MAX_CHARACTERS = 1_024


def recorded(call: TaskRunToolCall, step: Verdict, now: datetime) -> Settled:
    """The status that a step of asking leads to."""
    match step:
        case Ask(question):
            return asked(call, question, now)
        case Approve(approval):
            return approved(approval)
        case Reject():
            return rejected(step, now)
        case GoOn():
            return going_on(step)


def asked(call: TaskRunToolCall, asked: Approval | HumanInput, now: datetime) -> Settled:
    """T1: a person is to be asked; the request is made after this is recorded."""
    is_approval = isinstance(asked, Approval)
    text = f'Waiting for {_wanted(asked)}: HumanRequest "{asked.request_name}"'
    status: dict[str, Any] = {
        "phase": ToolCallPhase.AWAITING_HUMAN_APPROVAL if is_approval else ToolCallPhase.AWAITING_HUMAN_INPUT,
        "ready": True,
        "status": ToolCallStatusType.READY,
        "status_detail": text,
        "blocked_since": None,
    }
    if not is_approval:
        status["start_time"] = call.status.start_time or now
    reason = reasons.APPROVAL_REQUESTED if is_approval else reasons.INPUT_REQUESTED
    return Settled(status | _record(asked), (normal(reason, text),))


def _wanted(asked: Approval | HumanInput) -> str:
    """What a person is asked for."""
    if isinstance(asked, Approval):
        return "approval"
    return "word of what became of the call" if asked.type == HumanRequestType.OUTCOME else "an answer"


def _record(asked: Approval | HumanInput) -> dict[str, Any]:
    """The status field that keeps what a person was asked."""
    return {"approval" if isinstance(asked, Approval) else "input": asked}


def approved(approval: Approval) -> Settled:
    """T3: a person approved the call."""
    text = f"Approved by {decisions.author(approval)}" + (
        ", with other arguments" if approval.arguments is not None else ""
    )
    status = {
        "phase": ToolCallPhase.READY_TO_EXECUTE_APPROVED_TOOL,
        "ready": True,
        "status": ToolCallStatusType.READY,
        "status_detail": text,
        "approval": approval,
        "blocked_since": None,
    }
    return Settled(status, (normal(reasons.APPROVED, text),))


def going_on(step: GoOn) -> Settled:
    """T3: a person answered, and another attempt may be made."""
    text = cut(step.detail, DETAIL_MAX_CHARACTERS)
    return Settled(to_be_made_again(text) | {"input": step.input}, (normal(reasons.ANSWERED, text),))


def to_be_made_again(detail: str) -> dict[str, Any]:
    """The status of a call that goes on with another attempt."""
    return {
        "phase": ToolCallPhase.PENDING,
        "ready": False,
        "status": ToolCallStatusType.PENDING,
        "status_detail": detail,
        "error": None,
        "blocked_since": None,
    }


def rejected(step: Reject, now: datetime) -> Settled:
    """T3: the call is not made; the model reads why."""
    reason = cut(harmless(step.message), REASON_MAX_CHARACTERS)
    by = f" by {decisions.author(step.asked)}" if step.asked is not None else ""
    text = cut(f"Rejected{by}: {reason}", DETAIL_MAX_CHARACTERS)
    status = {
        "phase": ToolCallPhase.TOOL_CALL_REJECTED,
        "ready": False,
        "status": ToolCallStatusType.ERROR,
        "status_detail": text,
        "error": reason,
        "completion_time": now,
        "blocked_since": None,
    }
    recorded = {} if step.asked is None else _record(step.asked)
    return Settled(status | recorded, (warning(reasons.REJECTED, text),))


def not_asked(call: TaskRunToolCall, block: Block, refusal: WriteRefused) -> Settled:
    """The API server refuses the request; it is tried again."""
    text, is_approval = str(refusal), not isinstance(call.status.open_question, HumanInput)
    refused = (
        ToolCallPhase.ERROR_REQUESTING_HUMAN_APPROVAL if is_approval else ToolCallPhase.ERROR_REQUESTING_HUMAN_INPUT
    )
    reason = reasons.APPROVAL_NOT_REQUESTED if is_approval else reasons.INPUT_NOT_REQUESTED
    status = {
        "phase": refused,
        "ready": False,
        "status": ToolCallStatusType.ERROR,
        "status_detail": block.told(text),
        "blocked_since": block.since,
    }
    news = (warning(reason, cut(text)),) if call.status.blocked_since is None else ()
    return Settled(status, news, requeue_after_seconds=block.retry_seconds)
