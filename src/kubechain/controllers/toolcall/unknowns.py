"""A call of which nobody knows whether it took effect, where its tool wants that a person is asked: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import Decision, HumanRequest, HumanRequestType
from kubechain.api.taskrun import TaskRun, pinned_tool
from kubechain.api.taskruntoolcall import HumanInput, TaskRunToolCall
from kubechain.api.tool import OnUnknownOutcome
from kubechain.controllers import decisions
from kubechain.controllers.inquiries import Inquiry, request_for
from kubechain.controllers.toolcall import approvals, asking, inputs
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.steps import GoOn, ReportUnknown, Step, TakeReply
from kubechain.net.foreign import cut, harmless

CHOICES = (DecisionChoice.HAPPENED, DecisionChoice.DID_NOT_HAPPEN, DecisionChoice.UNKNOWN)

NOBODY_KNOWS = "a person was asked, and does not know either"
NOBODY_SAID = "a person was asked, and did not answer until {}"
ANOTHER_CALL = "what a person told is about another call"
NOT_HAPPENED = "It did not happen, {} says: the call is made again"


def asked(call: TaskRunToolCall, run: TaskRun | None, problem: str, now: datetime) -> HumanInput | None:
    """T1: what the call records before a person is asked what became of it; None where nobody is to be asked.

    Args:
        problem: Why it is not known, as the call's `error` will have it.
    """
    pinned = pinned_tool(run, call.spec.tool_ref.name) if run is not None else None
    if run is None or pinned is None or pinned.on_unknown_outcome != OnUnknownOutcome.ASK:
        return None
    return inputs.asked(call, _inquiry(call, run, problem, inputs.next_name(call)), now)


@dataclass(frozen=True, slots=True)
class OutcomeWait:
    """A call that waits for a person to say what became of it."""

    observed: Observed
    run: TaskRun
    asked: HumanInput

    def inquiry(self) -> Inquiry:
        """What became of the call."""
        return _inquiry(self.observed.call, self.run, self._problem, self.asked.request_name)

    def request(self) -> HumanRequest:
        """Ask what became of the call."""
        return request_for(self.observed.call, self.run, self.asked, self.inquiry())

    def judged(self, decision: Decision) -> Step:
        """T3: the call ends with the result, is made again, or ends as unknown."""
        judge = self.observed.approval.judge
        decided = judge.recorded(self.asked, decision, self.observed.now)
        if flaw := judge.flaw(self.asked, decision, ANOTHER_CALL):
            return self._unknown(flaw, decided)
        if decision.choice == DecisionChoice.HAPPENED:
            return TakeReply(decided, decisions.reply_of(decision))
        if decision.choice == DecisionChoice.DID_NOT_HAPPEN:
            return GoOn(decided, NOT_HAPPENED.format(decisions.author(decided)))
        return self._unknown(f"{NOBODY_KNOWS}: {decision.comment}" if decision.comment else NOBODY_KNOWS, decided)

    def expired(self) -> ReportUnknown:
        """The model reads that it is not known."""
        return self._unknown(NOBODY_SAID.format(decisions.end_of(self.asked)), self.asked)

    def _unknown(self, message: str, told: HumanInput) -> ReportUnknown:
        return ReportUnknown(f"{self._problem}; {message}", told)

    @property
    def _problem(self) -> str:
        return self.observed.call.status.error or ""


def _inquiry(call: TaskRunToolCall, run: TaskRun, problem: str, name: str) -> Inquiry:
    tool = call.spec.tool_ref.name
    return Inquiry(
        type=HumanRequestType.OUTCOME,
        subject=asking.subject(run, tool),
        message=_message(call, run, problem, name),
        choices=CHOICES,
        essence=_shown(problem),
        tool=tool,
        arguments=approvals.arguments_of(call),
    )


def _message(call: TaskRunToolCall, run: TaskRun, problem: str, name: str) -> str:
    """What a person reads: which call it was, what went wrong, and what to type."""
    tool, namespace = call.spec.tool_ref.name, call.metadata.namespace
    about = asking.subject(run, tool)
    return "\n".join(
        (
            f'The agent "{asking.agent_name(run)}" called {tool} of {about.resource}/{about.name} in TaskRun '
            f"{run.metadata.name}, and it is not known whether the call took effect: {_shown(problem)}",
            asking.layout(approvals.arguments_of(call)),
            "Happened: the call took effect, and the model reads the result that you give. DidNotHappen: it did not, "
            "and is made again, with the same idempotency key. Unknown: the model reads that it is not known.",
            f"  kubechain answer {name} -n {namespace} --happened RESULT",
            f"  kubechain answer {name} -n {namespace} --did-not-happen",
            f"  kubechain answer {name} -n {namespace} --unknown",
        )
    )


def _shown(problem: str) -> str:
    return cut(harmless(problem))
