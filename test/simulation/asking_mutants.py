"""Ways to break the promise about questions and unknown outcomes that people are tempted by."""

from __future__ import annotations

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import Decision
from kubechain.controllers.toolcall import unknowns
from kubechain.controllers.toolcall.questions import QuestionWait
from kubechain.controllers.toolcall.steps import GoOn, TakeReply
from kubechain.controllers.toolcall.unknowns import OutcomeWait
from test.simulation.approval_mutants import EXPIRY_IGNORED
from test.simulation.mutant import Mutant


def _make_again(self: OutcomeWait, decision: Decision) -> GoOn:
    """Whatever the person said, try again."""
    told = self.observed.approval.judge.recorded(self.asked, decision, self.observed.now)
    return GoOn(told.with_changes(choice=DecisionChoice.DID_NOT_HAPPEN), "again")


def _nobody(*_: object) -> None:
    """The model is told, whatever the tool wants."""


def _own_answer(self: QuestionWait, decision: Decision) -> TakeReply:
    """Another answer than the person gave."""
    told = self.observed.approval.judge.recorded(self.asked, decision, self.observed.now)
    return TakeReply(told, "Paris")


ALL = (
    Mutant(
        "late-answer",
        EXPIRY_IGNORED,
        "question-expires",
    ),
    Mutant("wrong-word", ((QuestionWait, "judged", _own_answer),), "question"),
    Mutant("makes-again", ((OutcomeWait, "judged", _make_again),), "outcome-happened"),
    Mutant("asks-nobody", ((unknowns, "asked", _nobody),), "outcome-happened"),
)
