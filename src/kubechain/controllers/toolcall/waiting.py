"""What a call does while a person is asked, whatever they are asked: pure.

Each sort of question says what is asked, what a decision means, and how the call ends without one (`Question`).
"""

from __future__ import annotations

from typing import Protocol

from kubechain.api.humanrequest import Decision, HumanRequest
from kubechain.api.taskruntoolcall import Approval, HumanInput, ToolCallPhase
from kubechain.controllers import decisions
from kubechain.controllers.frame import Done
from kubechain.controllers.inquiries import Inquiry, asks_for
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.steps import Ask, CreateRequest, Step

REFUSED = (ToolCallPhase.ERROR_REQUESTING_HUMAN_APPROVAL, ToolCallPhase.ERROR_REQUESTING_HUMAN_INPUT)
"""Phases of a call whose request the API server refused when it was tried last."""


class Question(Protocol):
    """What one call asks a person now."""

    @property
    def asked(self) -> Approval | HumanInput:
        """What the call has recorded of it."""
        ...

    def inquiry(self) -> Inquiry:
        """What the person is asked."""
        ...

    def request(self) -> HumanRequest:
        """The object that asks, as it is created."""
        ...

    def judged(self, decision: Decision) -> Step:
        """T3: what a decision that came in time means for the call."""
        ...

    def expired(self) -> Step:
        """Nobody decided in time."""
        ...


def follow(observed: Observed, question: Question) -> Step | Done:
    """The next step of a call that waits for a person."""
    asked, request = question.asked, observed.approval.request
    if decisions.is_over(asked, observed.now):
        return question.expired()
    if request is None or not asks_for(request, observed.call, asked, question.inquiry()):
        # What has its name may be of an earlier call, and about to be deleted: the server knows.
        return CreateRequest(question.request(), question.inquiry())
    if request.spec.decision is not None:
        return question.judged(request.spec.decision)
    if observed.call.status.phase in REFUSED:
        return Ask(asked)
    return Done(decisions.left_seconds(asked, observed.now))
