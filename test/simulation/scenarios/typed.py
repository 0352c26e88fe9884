"""Runs whose answer must match a schema: right, wrong and then right, wrong to the end, with tools, below another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRunPhase
from kubechain.llm.client import Completion
from kubechain.llm.fake import answer
from test.simulation.cluster import Cluster
from test.simulation.fakes import Script, asks, says
from test.simulation.scenarios import objects
from test.simulation.scenarios.scenario import Scenario
from test.simulation.scenarios.tools import ANSWERS, PARIS

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
RIGHT = '{"city": "Moonville", "people": 3}'
WRONG = '{"city": 7}'
DELEGATES = asks([("delegate_to_agent__research", '{"message": "Go and see."}')])


def corrected(before: Script) -> Script:
    """A model that answers right once it is told that its answer was wrong.

    Args:
        before: What it says until then.
    """

    def script(messages: Sequence[Message]) -> Completion:
        is_told = any("does not match the JSON schema" in one.content for one in messages if one.role == "user")
        return answer(RIGHT) if is_told else before(messages)

    return script


def below(messages: Sequence[Message]) -> Completion:
    """The assistant delegates; the other agent is wrong at first."""
    is_other = any("You are research" in one.content for one in messages)
    return corrected(says(WRONG))(messages) if is_other else DELEGATES(messages)


def typed_hierarchy(cluster: Cluster) -> None:
    """An agent that delegates to another one, whose answers have a type."""
    objects.hierarchy("research")(cluster)
    cluster.patch("agents", "research", {"spec": {"outputSchema": CITY}})


def typed_endpoint(cluster: Cluster) -> None:
    """A tool, and an answer that has a type."""
    objects.endpoints("book")(cluster)
    cluster.patch("agents", "my-assistant", {"spec": {"outputSchema": CITY}})


ALL: tuple[Scenario, ...] = (
    Scenario(name="typed", arrange=objects.plain(outputSchema=CITY), script=says(RIGHT)),
    Scenario(name="typed-corrected", arrange=objects.plain(outputSchema=CITY), script=corrected(says(WRONG))),
    Scenario(
        name="typed-wrong",
        arrange=objects.plain(outputSchema=CITY),
        script=says(WRONG),
        ends={"hello-1": TaskRunPhase.FAILED},
    ),
    Scenario(
        name="typed-tool",
        arrange=typed_endpoint,
        script=corrected(asks([("book", PARIS)], then=WRONG)),
        answers=ANSWERS,
    ),
    Scenario(
        name="typed-delegation",
        arrange=typed_hierarchy,
        script=below,
        ends={"hello-1": TaskRunPhase.FINAL_ANSWER, "hello-1-t0-c0-run": TaskRunPhase.FINAL_ANSWER},
        faults=("errors", "chaos"),
    ),
)
