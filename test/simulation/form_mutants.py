"""Ways to break the promise about forms and pages of MCP servers that people are tempted by."""

from __future__ import annotations

from typing import Any

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import Decision
from kubechain.controllers.toolcall import elicitations
from kubechain.controllers.toolcall.elicitations import ElicitationWait
from kubechain.controllers.toolcall.steps import Proceed
from kubechain.controllers.toolkinds import elicited
from kubechain.mcp.elicitation import Inputs
from test.simulation.mutant import Mutant

_judged = ElicitationWait.judged
_inputs = elicited.inputs


def _agree(self: ElicitationWait, decision: Decision) -> Any:
    """A person who declines agrees."""
    if decision.choice != DecisionChoice.REJECT:
        return _judged(self, decision)
    told = self.observed.approval.judge.recorded(self.asked, decision, self.observed.now)
    return Proceed(told, self.elicitation.with_item(self.index, action="accept", content='{"size": 1}'))


def _forget_state(elicitation: Any) -> Inputs:
    """The replies alone."""
    return Inputs(_inputs(elicitation).items)


def _take_anything(schema: object, answer: str) -> Any:
    """Whatever a person writes."""
    del schema
    return {"size": answer}


ALL = (
    Mutant("declined-is-accepted", ((ElicitationWait, "judged", _agree),), "form-declined"),
    Mutant("state-forgotten", ((elicited, "inputs", _forget_state),), "form"),
    Mutant("form-not-checked", ((elicitations, "filled_in", _take_anything),), "form-wrong"),
)
