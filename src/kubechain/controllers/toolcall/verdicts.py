"""What the steps of an approval mean for a call's status: pure."""

from __future__ import annotations

from datetime import datetime

from kubechain.api import reasons
from kubechain.api.taskruntoolcall import Approval, TaskRunToolCall, ToolCallPhase, ToolCallStatusType
from kubechain.controllers.blocked import Block
from kubechain.controllers.frame import Settled, normal, warning
from kubechain.controllers.toolcall.steps import Reject
from kubechain.net.foreign import cut, harmless
from kubechain.runtime.errors import WriteRefused

REASON_MAX_CHARACTERS = 4_096
"""A person's comment goes whole to the model."""

DETAIL_MAX_CHARACTERS = 1_024


def asked(approval: Approval) -> Settled:
    """T1: a person is to be asked; the request is made after this is recorded."""
    text = f'Waiting for approval: HumanRequest "{approval.request_name}"'
    status = {
        "phase": ToolCallPhase.AWAITING_HUMAN_APPROVAL,
        "ready": True,
        "status": ToolCallStatusType.READY,
        "status_detail": text,
        "approval": approval,
        "blocked_since": None,
    }
    return Settled(status, (normal(reasons.APPROVAL_REQUESTED, text),))


def approved(approval: Approval) -> Settled:
    """T3: a person approved the call."""
    text = f"Approved by {_author(approval)}" + (", with other arguments" if approval.arguments is not None else "")
    status = {
        "phase": ToolCallPhase.READY_TO_EXECUTE_APPROVED_TOOL,
        "ready": True,
        "status": ToolCallStatusType.READY,
        "status_detail": text,
        "approval": approval,
        "blocked_since": None,
    }
    return Settled(status, (normal(reasons.APPROVED, text),))


def rejected(step: Reject, now: datetime) -> Settled:
    """T3: the call is not made; the model reads why."""
    reason = cut(harmless(step.message), REASON_MAX_CHARACTERS)
    by = f" by {_author(step.approval)}" if step.approval is not None else ""
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
    recorded = {} if step.approval is None else {"approval": step.approval}
    return Settled(status | recorded, (warning(reasons.REJECTED, text),))


def not_asked(call: TaskRunToolCall, block: Block, refusal: WriteRefused) -> Settled:
    """The API server refuses the request; it is tried again."""
    text = str(refusal)
    status = {
        "phase": ToolCallPhase.ERROR_REQUESTING_HUMAN_APPROVAL,
        "ready": False,
        "status": ToolCallStatusType.ERROR,
        "status_detail": block.told(text),
        "blocked_since": block.since,
    }
    news = (warning(reasons.APPROVAL_NOT_REQUESTED, cut(text)),) if call.status.blocked_since is None else ()
    return Settled(status, news, requeue_after_seconds=block.retry_seconds)


def _author(approval: Approval) -> str:
    return cut(harmless(approval.by or "somebody who gave no name"))
