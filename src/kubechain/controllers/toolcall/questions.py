"""A call that asks a person a question: the answer is its result. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import Decision, HumanRequest, HumanRequestType
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import HumanInput, TaskRunToolCall
from kubechain.controllers import decisions
from kubechain.controllers.inquiries import Inquiry, request_for
from kubechain.controllers.toolcall import approvals, asking, inputs
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.steps import Reject, TakeReply
from kubechain.net.foreign import harmless
from kubechain.tools import arguments as tool_arguments

DECLINED = "a person declined to answer"
UNANSWERED = "nobody answered in time: the question expired at {}"
ANOTHER_QUESTION = "what was answered is not this question"

CHOICES = (DecisionChoice.ANSWER, DecisionChoice.REJECT)


def asked(call: TaskRunToolCall, run: TaskRun, now: datetime) -> HumanInput:
    """T1: what the call records before the question is asked."""
    return inputs.asked(call, _inquiry(call, run, inputs.next_name(call)), now)


@dataclass(frozen=True, slots=True)
class QuestionWait:
    """A call that waits for the answer to its question."""

    observed: Observed
    run: TaskRun
    asked: HumanInput

    def inquiry(self) -> Inquiry:
        """The question."""
        return _inquiry(self.observed.call, self.run, self.asked.request_name)

    def request(self) -> HumanRequest:
        """Ask the question."""
        return request_for(self.observed.call, self.run, self.asked, self.inquiry())

    def judged(self, decision: Decision) -> TakeReply | Reject:
        """T3: the answer is the result; a person may also decline."""
        judge = self.observed.approval.judge
        decided = judge.recorded(self.asked, decision, self.observed.now)
        if flaw := judge.flaw(self.asked, decision, ANOTHER_QUESTION):
            return Reject(flaw, decided)
        if decision.choice != DecisionChoice.ANSWER:
            return Reject(decision.comment or DECLINED, decided)
        return TakeReply(decided, decisions.reply_of(decision))

    def expired(self) -> Reject:
        """The model reads that nobody answered."""
        return Reject(UNANSWERED.format(decisions.end_of(self.asked)))


def _inquiry(call: TaskRunToolCall, run: TaskRun, name: str) -> Inquiry:
    tool = call.spec.tool_ref.name
    return Inquiry(
        type=HumanRequestType.QUESTION,
        subject=asking.subject(run, tool),
        message=_message(call, run, name),
        choices=CHOICES,
        tool=tool,
        arguments=approvals.arguments_of(call),
    )


def _message(call: TaskRunToolCall, run: TaskRun, name: str) -> str:
    """What a person reads: the question, and what to type."""
    question = tool_arguments.parse(approvals.arguments_of(call), None)["message"]
    namespace = call.metadata.namespace
    return "\n".join(
        (
            f'The agent "{asking.agent_name(run)}" asks in TaskRun {run.metadata.name}:',
            harmless(str(question)),
            "Answer: the model reads it. Reject: nobody answers, and the model reads the comment.",
            f"  kubechain answer {name} -n {namespace} --text TEXT",
            f"  kubechain answer {name} -n {namespace} --reject --comment TEXT",
        )
    )
