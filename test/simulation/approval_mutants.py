"""Ways to break the promise about approvals that people are tempted by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api.approval import AskedOfPerson, DecisionChoice
from kubechain.api.humanrequest import Decision, HumanRequest
from kubechain.api.meta import KubeObject, is_owned_by
from kubechain.api.taskrun import Grant, TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers import decisions, requesting
from kubechain.controllers.frame import Done
from kubechain.controllers.inquiries import Inquiry
from kubechain.controllers.resources import HUMAN_REQUESTS
from kubechain.controllers.toolcall import approvals, grants, waiting
from kubechain.controllers.toolcall.approvals import ApprovalWait
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.steps import Approve
from kubechain.controllers.toolcall.waiting import Question
from test.simulation.mutant import Mutant


def asks_for_by_name(request: HumanRequest, asker: KubeObject, *_: object) -> bool:
    """Whatever has the right name and owner."""
    return is_owned_by(request, asker)


_judged = ApprovalWait.judged


def _judged_without_digest(self: ApprovalWait, decision: Decision) -> Any:
    """Whatever the person saw."""
    return _judged(self, decision.with_changes(digest=self.asked.digest))


_follow = waiting.follow


def _follow_status(observed: Observed, question: Question) -> Any:
    """Take the decision from the status of the request."""
    approval, request = observed.call.status.approval, observed.approval.request
    if approval is not None and request is not None and request.status.phase == "Decided":
        return Approve(approval.with_changes(choice=DecisionChoice.APPROVE, at=observed.now))
    return _follow(observed, question)


def _never_over(asked: AskedOfPerson, now: datetime) -> bool:
    """Time does not matter."""
    del asked, now
    return False


def _follow_for_ever(observed: Observed, question: Question) -> Any:
    """No timer either."""
    step = _follow(observed, question)
    return Done() if isinstance(step, Done) else step


EXPIRY_IGNORED = ((decisions, "is_over", _never_over), (waiting, "follow", _follow_for_ever))
"""A call that waits for a person, whatever it asks, waits for ever."""


def _any_grant(run: TaskRun, tool: str) -> Grant | None:
    """Whoever may use one tool may use them all."""
    del tool
    return next(iter(run.status.grants), None)


def _revoked_grant(run: TaskRun, tool: str) -> Grant | None:
    """What was granted once."""
    return next((one for one in run.status.grants if one.tool == tool), None)


def _models_own(call: TaskRunToolCall) -> str:
    """What the model wanted, whatever the person made of it."""
    return call.spec.arguments


def _nothing(*_: object, **__: object) -> None:
    """Nothing keeps a call from being carried out."""


async def _ask_again(
    self: requesting.Requester, asker: KubeObject, asked: AskedOfPerson | None, request: HumanRequest, inquiry: Inquiry
) -> str:
    """Whoever finds a request under the name makes it anew."""
    del asker, asked, inquiry
    await self.client.delete(HUMAN_REQUESTS, request.metadata.namespace, request.metadata.name)
    await self.client.create(HUMAN_REQUESTS, request)
    return ""


ALL = (
    Mutant(
        "no-digest-check",
        (
            (waiting, "asks_for", asks_for_by_name),
            (requesting, "asks_for", asks_for_by_name),
            (ApprovalWait, "judged", _judged_without_digest),
        ),
        "approval-forged-request",
    ),
    Mutant("decided-by-status", ((waiting, "follow", _follow_status),), "approval-forged-status"),
    Mutant(
        "expiry-ignored",
        EXPIRY_IGNORED,
        "approval-expires",
    ),
    Mutant("grant-too-wide", ((grants, "grant_for", _any_grant),), "approved-for-run"),
    Mutant("grant-for-ever", ((grants, "grant_for", _revoked_grant),), "grant-revoked"),
    Mutant("edit-ignored", ((approvals, "arguments_of", _models_own),), "approved-edited"),
    Mutant("no-gate", ((approvals, "gate", _nothing),), "approved"),
    Mutant("asks-again", ((requesting.Requester, "_adopt", _ask_again),), "rivals-approved", ("stale", "chaos")),
)
