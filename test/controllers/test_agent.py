"""An Agent is as ready as what it refers to."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.agent import Agent
from kubechain.api.meta import StatusType
from kubechain.api.references import LocalObjectReference
from kubechain.controllers.agent.decide import decide
from kubechain.controllers.agent.observe import Readers, observe
from kubechain.controllers.agent.reconciler import dependency_index
from kubechain.controllers.agent.settle import settle
from kubechain.controllers.frame import next_version
from kubechain.controllers.validation import Accept, Refuse, Step, Wait
from test.controllers.builders import NOW, an_agent, an_llm

LLM_DETAIL = "as it is"


class Shelf:
    """A lister over a few objects."""

    def __init__(self, *objects: Any) -> None:
        self._by_name = {obj.metadata.name: obj for obj in objects}

    def get(self, namespace: str, name: str) -> Any:
        return self._by_name.get(name)


def readers(**shelves: Shelf) -> Readers:
    values: dict[str, Any] = {
        "llms": Shelf(an_llm()),
        "tools": Shelf(),
        "mcp_servers": Shelf(),
        "contact_channels": Shelf(),
        "agents": Shelf(),
    }
    return Readers(**(values | shelves))


NEW = an_agent(status=None)
DELEGATING = an_agent(status=None, sub_agents=(LocalObjectReference(name="scout"),))


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
        pytest.param(DELEGATING, readers(), Refuse('Agent "scout" not found'), id="a sub-agent is missing"),
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


def test_the_first_verdict_comes_with_the_events_of_the_contract() -> None:
    observed = observe(NEW, readers())
    settled = settle(observed, Accept(), NOW)
    assert [(event.reason, event.message) for event in settled.events] == [
        ("Initializing", "Starting validation"),
        ("ValidationSucceeded", "All dependencies validated successfully"),
    ]
    status = next_version(NEW, settled).status
    assert (status.ready, status.status_detail) == (True, "All dependencies validated successfully")


def test_an_unchanged_verdict_writes_nothing() -> None:
    ready = next_version(NEW, settle(observe(NEW, readers()), Accept(), NOW))
    assert next_version(ready, settle(observe(ready, readers()), Accept(), NOW)) is ready


def test_a_broken_llm_takes_its_agents_with_it() -> None:
    ready = next_version(NEW, settle(observe(NEW, readers()), Accept(), NOW))
    world = readers(llms=Shelf(an_llm(status=StatusType.ERROR)))
    settled = settle(observe(ready, world), decide(observe(ready, world)), NOW)
    assert next_version(ready, settled).status.ready is False
    assert [event.reason for event in settled.events] == ["ValidationFailed"]


def test_usable_sub_agents_are_listed() -> None:
    observed = observe(DELEGATING, readers(agents=Shelf(an_agent("scout"))))
    status = next_version(DELEGATING, settle(observed, decide(observed), NOW)).status
    assert [agent.name for agent in status.valid_sub_agents] == ["scout"]


def test_an_agent_is_found_by_each_of_its_dependencies() -> None:
    assert dependency_index(DELEGATING) == ["LLM/default/gpt-4o", "Agent/default/scout"]
