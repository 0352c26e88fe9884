"""Approvals for the rest of a run, used by later calls of the same tool: pure. The run records them with W5."""

from __future__ import annotations

from kubechain.api import reasons
from kubechain.api.approval import DecisionChoice
from kubechain.api.grant import Grant
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import Approval, TaskRunToolCall
from kubechain.controllers.frame import Settled, normal
from kubechain.controllers.toolcall import asking


def grant_for(run: TaskRun, tool: str) -> Grant | None:
    """The grant of this run for a tool that nobody has revoked."""
    revoked = run.spec.revoked_grants
    return next((one for one in run.status.grants if one.tool == tool and one.request_name not in revoked), None)


def used(call: TaskRunToolCall, run: TaskRun | None) -> Settled:
    """The record of a call that goes on under a grant, with its own event; nothing for any other call."""
    grant = grant_for(run, call.spec.tool_ref.name) if run is not None else None
    if run is None or grant is None or call.status.approval is not None:
        return Settled()
    approval = Approval(
        digest=asking.digest(call, run),
        request_name=grant.request_name,
        choice=DecisionChoice.APPROVE_FOR_RUN,
        by=grant.by,
        at=grant.at,
        identity=grant.identity,
    )
    text = f"Approved for the rest of the run by {grant.by or 'somebody'} (HumanRequest {grant.request_name})"
    return Settled({"approval": approval}, (normal(reasons.APPROVED_FOR_RUN, text),))
