"""An Agent is as ready as what it refers to."""

from __future__ import annotations

import pytest

from kubechain.api.agent import Agent
from kubechain.api.meta import StatusType
from kubechain.api.references import LocalObjectReference
from kubechain.controllers.agent.decide import decide
from kubechain.controllers.agent.observe import Readers, observe
from kubechain.controllers.validation import Accept, Refuse, Step, Wait
from test.controllers.agent.builders import DELEGATING, NEW, SUMMARISING, readers
from test.controllers.builders import Shelf, an_agent, an_llm


@pytest.mark.parametrize(
    ("agent", "world", "step"),
    [
        pytest.param(NEW, readers(), Accept(), id="everything is ready"),
        pytest.param(NEW, readers(llms=Shelf()), Refuse('LLM "gpt-4o" not found'), id="the LLM is missing"),
        pytest.param(
            NEW,
            readers(llms=Shelf(an_llm(status=StatusType.PENDING))),
            Wait('Waiting for LLM "gpt-4o" to become ready'),
            id="the LLM is not ready yet",
        ),
        pytest.param(
            NEW,
            readers(llms=Shelf(an_llm(status=None))),
            Wait('Waiting for LLM "gpt-4o" to become ready'),
            id="the LLM was not looked at yet",
        ),
        pytest.param(
            NEW,
            readers(llms=Shelf(an_llm(status=StatusType.ERROR))),
            Refuse('LLM "gpt-4o" is not ready: as it is'),
            id="the LLM is broken",
        ),
        pytest.param(SUMMARISING, readers(), Refuse('LLM "mini" not found'), id="who is to write summaries is missing"),
        pytest.param(
            SUMMARISING,
            readers(llms=Shelf(an_llm(), an_llm("mini", status=StatusType.ERROR))),
            Refuse('LLM "mini" is not ready: as it is'),
            id="who is to write summaries is broken",
        ),
        pytest.param(DELEGATING, readers(), Refuse('Agent "scout" not found'), id="a sub-agent is missing"),
        pytest.param(
            an_agent(tools=(LocalObjectReference(name="scout"),)),
            readers(agents=Shelf(an_agent("scout"))),
            Refuse('Tool "scout" not found; Agent "scout" exists: list it under subAgents'),
            id="an Agent is listed under tools",
        ),
        pytest.param(
            DELEGATING,
            readers(llms=Shelf(an_llm(status=StatusType.PENDING))),
            Refuse('Agent "scout" not found'),
            id="what is broken comes before what is not ready",
        ),
    ],
)
def test_decide(agent: Agent, world: Readers, step: Step) -> None:
    assert decide(observe(agent, world)) == step
