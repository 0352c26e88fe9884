"""Decides about the approval of a call: whether to ask, what a decision is worth, whether it still holds. Pure.

`gate` stands before every attempt to carry a call out, `ApprovalWait` says what holds while a person is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.approval import DecisionChoice, PinnedApproval
from kubechain.api.approvalpolicy import ApprovalPolicy
from kubechain.api.humanrequest import Decision, HumanRequest
from kubechain.api.taskrun import TaskRun, pinned_tool
from kubechain.api.taskruntoolcall import Approval, TaskRunToolCall
from kubechain.controllers import decisions
from kubechain.controllers.inquiries import Inquiry
from kubechain.controllers.policies import about_call
from kubechain.controllers.toolcall import asking, grants
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.requirements import Requirement, denial, requirement
from kubechain.controllers.toolcall.steps import Approve, Ask, Reject
from kubechain.controllers.toolkinds.model import Offer

REJECTED = "a person refused the call"
TOO_LATE = "nobody decided in time: the request expired at {}"
STALE = "the approval expired at {}, before the call could be made"
ANOTHER_CALL = "what was approved is not this call"

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
    policies = _policies(observed, run)
    return requirement(_pinned_terms(observed, run) or offer.approval, policies), denial(policies)


def _pinned_terms(observed: Observed, run: TaskRun) -> PinnedApproval | None:
    pinned = pinned_tool(run, observed.call.spec.tool_ref.name)
    return pinned.approval if pinned else None


def _policies(observed: Observed, run: TaskRun) -> tuple[ApprovalPolicy, ...]:
    """The policies that are about the call, with the arguments that its tool would get now."""
    return about_call(
        observed.approval.policies,
        agent=asking.agent_name(run),
        tool=observed.call.spec.tool_ref.name,
        arguments=arguments_of(observed.call),
    )


def _flaw(observed: Observed, run: TaskRun, approval: Approval, *, has_begun: bool) -> Reject | None:
    """Why the recorded decision does not let the call be carried out; None where it does."""
    if approval.choice not in APPROVING:
        return Reject(approval.comment or REJECTED)
    if approval.digest != asking.digest(observed.call, run):
        return Reject(ANOTHER_CALL)
    if not has_begun and decisions.is_over(approval, observed.now):
        return Reject(STALE.format(decisions.end_of(approval)))
    return None


@dataclass(frozen=True, slots=True)
class ApprovalWait:
    """A call that a person is asked to approve."""

    observed: Observed
    run: TaskRun
    asked: Approval

    def inquiry(self) -> Inquiry:
        """What a person is asked, and what they may choose by the policies."""
        return asking.inquiry(self.observed.call, self.run, self._needed.choices)

    def request(self) -> HumanRequest:
        """Ask for the approval, with what the policies want of it."""
        needed = self._needed
        inquiry = asking.inquiry(self.observed.call, self.run, needed.choices)
        return asking.request(self.observed.call, self.run, self.asked, inquiry, needed.policies)

    @property
    def _needed(self) -> Requirement:
        terms, policies = _pinned_terms(self.observed, self.run), _policies(self.observed, self.run)
        return requirement(terms, policies) or Requirement(())

    def judged(self, decision: Decision) -> Approve | Reject:
        """T3: the call is made, or not. What is recorded first counts."""
        judge = self.observed.approval.judge
        decided = judge.recorded(self.asked, decision, self.observed.now).with_changes(arguments=decision.arguments)
        if flaw := judge.flaw(self.asked, decision, ANOTHER_CALL):
            return Reject(flaw, decided)
        if decision.choice not in APPROVING:
            return Reject(decision.comment or REJECTED, decided)
        return Approve(decided)

    def expired(self) -> Reject:
        """The call is not made."""
        return Reject(TOO_LATE.format(decisions.end_of(self.asked)))
