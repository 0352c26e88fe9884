"""Agents that delegate to agents."""

from __future__ import annotations

from collections.abc import Sequence

from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRunPhase
from kubechain.llm.client import Completion
from test.simulation.fakes import Script, asks, says
from test.simulation.scenarios import objects, people
from test.simulation.scenarios.scenario import Scenario

CHILD = "hello-1-t0-c0-run"


def delegating(*names: str) -> Script:
    """Models that each hand the question down, until the last one answers; who is asked says the system prompt."""
    heads = ("You are helpful.", *(f"You are {name}." for name in names))
    down = [asks([(f"delegate_to_agent__{name}", f'{{"message": "{name} this"}}')]) for name in names]
    scripts = dict(zip(heads, (*down, says("Found it.")), strict=True))

    def script(messages: Sequence[Message]) -> Completion:
        return scripts[messages[0].content](messages)

    return script


ALL: tuple[Scenario, ...] = (
    Scenario(name="delegation", arrange=objects.hierarchy("research"), script=delegating("research")),
    Scenario(
        name="deep-delegation",
        arrange=objects.hierarchy("plan", "research", "read"),
        script=delegating("plan", "research", "read"),
    ),
    Scenario(
        name="cancel-delegation",
        arrange=objects.hierarchy("research"),
        script=delegating("research"),
        during={"model research": people.once_delegated(people.cancel())},
        ends={"hello-1": TaskRunPhase.CANCELLED, CHILD: TaskRunPhase.CANCELLED},
        slow=("model research",),
        faults=("storm", "errors", "chaos", "stale"),  # asked again after a crash, the delegate is quicker than people
    ),
    Scenario(
        name="delegate-deleted",
        arrange=objects.hierarchy("research"),
        script=delegating("research"),
        during={"model research": people.once_delegated(people.delete("taskruns", CHILD))},
        ends={"hello-1": TaskRunPhase.FINAL_ANSWER, CHILD: None},
    ),
    Scenario(
        name="delegator-deleted",
        arrange=objects.hierarchy("research"),
        script=delegating("research"),
        during={"model research": people.once_delegated(people.delete_run)},
        is_timed=True,  # a successor may ask the delegate's model again before the cancel reaches it
        ends={"hello-1": None, CHILD: None},
    ),
    Scenario(
        name="deadline-delegation",
        arrange=objects.hierarchy("research", activeDeadlineSeconds=200),
        script=delegating("research"),
        slow=("model research",),
        ends={"hello-1": TaskRunPhase.FAILED, CHILD: TaskRunPhase.CANCELLED},
    ),
    Scenario(
        name="deep-cancel",
        arrange=objects.hierarchy("plan", "research"),
        script=delegating("plan", "research"),
        during={"model research": people.once_delegated(people.once_delegated(people.cancel(), f"{CHILD}-t0-c0"))},
        ends={"hello-1": TaskRunPhase.CANCELLED, CHILD: TaskRunPhase.CANCELLED},
        slow=("model research",),
    ),
)
