"""What a verdict makes of an Agent's status."""

from __future__ import annotations

from kubechain.api.meta import StatusType
from kubechain.controllers.agent.decide import decide
from kubechain.controllers.agent.observe import observe
from kubechain.controllers.agent.settle import settle
from kubechain.controllers.frame import next_version
from kubechain.controllers.validation import Accept
from test.controllers.agent.builders import DELEGATING, NEW, readers
from test.controllers.builders import NOW, Shelf, an_agent, an_llm


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
