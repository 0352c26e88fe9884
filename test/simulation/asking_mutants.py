"""Ways to break the promise about questions and unknown outcomes that people are tempted by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api.approval import AskedOfPerson, DecisionChoice
from kubechain.api.humanrequest import Decision
from kubechain.controllers import decisions
from kubechain.controllers.frame import Done
from kubechain.controllers.toolcall import unknowns, waiting
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.questions import QuestionWait
from kubechain.controllers.toolcall.steps import GoOn, TakeReply
from kubechain.controllers.toolcall.unknowns import OutcomeWait
from kubechain.controllers.toolcall.waiting import Question
from test.simulation.mutant import Mutant

_follow = waiting.follow


def _never_over(asked: AskedOfPerson, now: datetime) -> bool:
    """Time does not matter."""
    del asked, now
    return False


def _follow_for_ever(observed: Observed, question: Question) -> Any:
    """No timer either."""
    step = _follow(observed, question)
    return Done() if isinstance(step, Done) else step


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
        ((decisions, "is_over", _never_over), (waiting, "follow", _follow_for_ever)),
        "question-expires",
    ),
    Mutant("wrong-word", ((QuestionWait, "judged", _own_answer),), "question"),
    Mutant("makes-again", ((OutcomeWait, "judged", _make_again),), "outcome-happened"),
    Mutant("asks-nobody", ((unknowns, "asked", _nobody),), "outcome-happened"),
)
