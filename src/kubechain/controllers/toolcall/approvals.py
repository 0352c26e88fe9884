"""Decides about the approval of a call: whether to ask, what a decision is worth, whether it still holds. Pure.

`gate` stands before every attempt to carry a call out, `follow` decides while a person is waited for.
"""

from __future__ import annotations

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import Decision, HumanRequest
from kubechain.api.meta import is_owned_by, time_text
from kubechain.api.taskrun import TaskRun, pinned_tool
from kubechain.api.taskruntoolcall import Approval, TaskRunToolCall, ToolCallPhase
from kubechain.controllers.authority import Enforcement, identity_of
from kubechain.controllers.frame import Done
from kubechain.controllers.policies import about_call
from kubechain.controllers.toolcall import asking, grants
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.requirements import Requirement, denial, requirement
from kubechain.controllers.toolcall.steps import Approve, Ask, CreateRequest, Reject
from kubechain.controllers.toolkinds.model import Offer

REJECTED = "a person refused the call"
TOO_LATE = "nobody decided in time: the request expired at {}"
STALE = "the approval expired at {}, before the call could be made"
ANOTHER_CALL = "what was approved is not this call"
UNVERIFIED = "the decision does not count, since its author is not verified: {}"

APPROVING = (DecisionChoice.APPROVE, DecisionChoice.APPROVE_FOR_RUN)


def arguments_of(call: TaskRunToolCall) -> str:
    """The arguments to call the tool with: the model's own, or those that a person approved instead."""
    approval = call.status.approval
    if approval is None or approval.choice != DecisionChoice.APPROVE or approval.arguments is None:
        return call.spec.arguments
    return approval.arguments


def is_decided(call: TaskRunToolCall) -> bool:
    """Whether a decision about the call is recorded."""
    return call.status.approval is not None and call.status.approval.choice is not None


def gate(observed: Observed, offer: Offer, *, has_begun: bool) -> Ask | Reject | None:
    """What keeps a call from being carried out; None where nothing does.

    Args:
        has_begun: Whether it was started before: then it may be repeated after the request has expired, and nobody is
            asked again.
    """
    call, run = observed.call, observed.run
    assert run is not None, "a call without a run is cancelled"
    needed, refusal = _needed(observed, run, offer)
    if refusal:
        return Reject(refusal)
    if call.status.approval is not None and is_decided(call):
        return _flaw(observed, run, call.status.approval, has_begun=has_begun)
    if needed is None or has_begun:
        return None
    if needed.takes_grants and grants.grant_for(run, call.spec.tool_ref.name) is not None:
        return None
    return Ask(asking.asked(call, run, needed.expires_at(observed.now)))


def _needed(observed: Observed, run: TaskRun, offer: Offer) -> tuple[Requirement | None, str]:
    """What must be met before the call, and why the policies refuse it; empty where they do not."""
    call, tool = observed.call, observed.call.spec.tool_ref.name
    pinned = pinned_tool(run, tool)
    terms = (pinned.approval if pinned else None) or offer.approval
    policies = about_call(
        observed.approval.policies, agent=asking.agent_name(run), tool=tool, arguments=arguments_of(call)
    )
    return requirement(terms, policies), denial(policies)


def _flaw(observed: Observed, run: TaskRun, approval: Approval, *, has_begun: bool) -> Reject | None:
    """Why the recorded decision does not let the call be carried out; None where it does."""
    if approval.choice not in APPROVING:
        return Reject(approval.comment or REJECTED)
    if approval.digest != asking.digest(observed.call, run):
        return Reject(ANOTHER_CALL)
    if not has_begun and _is_over(approval, observed):
        return Reject(STALE.format(_moment(approval)))
    return None


def follow(observed: Observed) -> Ask | CreateRequest | Approve | Reject | Done:
    """The next step of a call that waits for a person."""
    call, run = observed.call, observed.run
    approval, request = call.status.approval, observed.approval.request
    assert run is not None, "a call without a run is cancelled"
    assert approval is not None, "decided before"
    if _is_over(approval, observed):
        return Reject(TOO_LATE.format(_moment(approval)))
    if request is None or not asks_for(request, call, approval):
        # What has its name may be of an earlier call, and about to be deleted: the server knows.
        return CreateRequest(_request(observed, run, approval))
    if request.spec.decision is not None:
        return _judged(observed, approval, request.spec.decision)
    if call.status.phase == ToolCallPhase.ERROR_REQUESTING_HUMAN_APPROVAL:
        return Ask(approval)
    return Done(None if approval.expires_at is None else (approval.expires_at - observed.now).total_seconds())


def asks_for(request: HumanRequest, call: TaskRunToolCall, approval: Approval) -> bool:
    """Whether a request is the one that the call made, whoever else may have made one of its name.

    The digest alone does not say that the request shows what it is about.
    """
    content = request.spec.request
    shows_call = content.tool == call.spec.tool_ref.name and content.arguments == asking.shown(call.spec.arguments)
    return is_owned_by(request, call) and content.digest == approval.digest and shows_call


def _request(observed: Observed, run: TaskRun, approval: Approval) -> HumanRequest:
    call = observed.call
    tool = call.spec.tool_ref.name
    pinned = pinned_tool(run, tool)
    policies = about_call(
        observed.approval.policies, agent=asking.agent_name(run), tool=tool, arguments=call.spec.arguments
    )
    needed = requirement(pinned.approval if pinned else None, policies) or Requirement(())
    return asking.request(call, run, approval, policies=needed.policies, choices=needed.choices)


def _judged(observed: Observed, approval: Approval, decision: Decision) -> Approve | Reject:
    """T3: what the decision means for the call. What is recorded first counts."""
    enforcement = observed.approval.enforcement or Enforcement("not known")
    decided = approval.with_changes(
        choice=decision.choice,
        by=decision.by,
        through=decision.through,
        at=observed.now,
        identity=identity_of(decision, enforcement),
        comment=decision.comment,
        arguments=decision.arguments,
    )
    if observed.approval.requires_verified and not enforcement.is_in_force:
        return Reject(UNVERIFIED.format(enforcement.weakness), decided)
    if decision.digest != approval.digest:
        return Reject(ANOTHER_CALL, decided)
    if decision.choice not in APPROVING:
        return Reject(decision.comment or REJECTED, decided)
    return Approve(decided)


def _is_over(approval: Approval, observed: Observed) -> bool:
    return approval.expires_at is not None and observed.now >= approval.expires_at


def _moment(approval: Approval) -> str:
    return time_text(approval.expires_at) if approval.expires_at is not None else ""
