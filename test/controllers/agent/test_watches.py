"""Which Agents an object concerns."""

from __future__ import annotations

from kubechain.controllers.agent.watches import dependency_index
from test.controllers.agent.builders import DELEGATING, SUMMARISING


def test_an_agent_is_found_by_each_of_its_dependencies() -> None:
    assert dependency_index(DELEGATING) == ["default/gpt-4o", "default/scout"]


def test_an_agent_is_found_by_the_llm_that_writes_summaries() -> None:
    assert dependency_index(SUMMARISING) == ["default/gpt-4o", "default/mini"]
