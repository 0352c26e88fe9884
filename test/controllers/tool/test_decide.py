"""Whether a Tool can be used: refused for what a person must change, waiting for what may become ready."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.meta import StatusType
from kubechain.api.references import LocalObjectReference
from kubechain.controllers.tool.decide import decide
from kubechain.controllers.tool.observe import Observed
from kubechain.controllers.validation import Accept, Refuse, Step, Wait
from test.controllers.builders import an_agent
from test.controllers.toolcall.builders import ADD, a_tool

SUM = a_tool("add", ADD)
DELEGATING = a_tool("ask", None, agent_ref=LocalObjectReference(name="scout"))


def seen(**changes: Any) -> Observed:
    values: dict[str, Any] = {"tool": SUM}
    return Observed(**(values | changes))


@pytest.mark.parametrize(
    ("observed", "step"),
    [
        pytest.param(seen(), Accept(), id="it refers to nothing"),
        pytest.param(
            seen(agent=an_agent("scout", status=StatusType.ERROR)), Accept(), id="an Agent that it does not name"
        ),
        pytest.param(seen(trouble="no engine"), Refuse("no engine"), id="it cannot be carried out here"),
        pytest.param(
            seen(missing_secret='Secret "a" not found'), Refuse('Secret "a" not found'), id="a Secret is missing"
        ),
        pytest.param(
            seen(trouble="no engine", missing_secret="none"),
            Refuse("no engine"),
            id="what is wrong with the spec is said before what is missing",
        ),
        pytest.param(seen(tool=DELEGATING), Refuse('Agent "scout" not found'), id="its Agent is missing"),
        pytest.param(
            seen(tool=DELEGATING, agent=an_agent("scout", status=None)),
            Wait('Waiting for Agent "scout" to become ready'),
            id="its Agent was not looked at yet",
        ),
        pytest.param(
            seen(tool=DELEGATING, agent=an_agent("scout", status=StatusType.PENDING)),
            Wait('Waiting for Agent "scout" to become ready'),
            id="its Agent waits for something",
        ),
        pytest.param(
            seen(tool=DELEGATING, agent=an_agent("scout", status=StatusType.ERROR)),
            Wait('Waiting for Agent "scout" to become ready'),
            id="its Agent is refused, and may be repaired",
        ),
        pytest.param(seen(tool=DELEGATING, agent=an_agent("scout")), Accept(), id="its Agent is ready"),
    ],
)
def test_decide(observed: Observed, step: Step) -> None:
    assert decide(observed) == step
