"""Agents that delegate to agents."""

from __future__ import annotations

from collections.abc import Sequence

from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRunPhase
from kubechain.llm.client import Completion
from test.simulation.fakes import Script, asks, says
from test.simulation.scenarios import objects, people
from test.simulation.scenarios.scenario import Scenario

_CHILD = "hello-1-t0-c0-run"


def _delegating(*names: str) -> Script:
    """Models that each hand the question down, until the last one answers; who is asked says the system prompt."""
    heads = ("You are helpful.", *(f"You are {name}." for name in names))
    down = [asks([(f"delegate_to_agent__{name}", f'{{"message": "{name} this"}}')]) for name in names]
    scripts = dict(zip(heads, (*down, says("Found it.")), strict=True))

    def script(messages: Sequence[Message]) -> Completion:
        return scripts[messages[0].content](messages)

    return script


ALL: tuple[Scenario, ...] = (
    Scenario(name="delegation", arrange=objects.hierarchy("research"), script=_delegating("research")),
    Scenario(
        name="deep-delegation",
        arrange=objects.hierarchy("plan", "research", "read"),
        script=_delegating("plan", "research", "read"),
    ),
    Scenario(
        name="cancel-delegation",
        arrange=objects.hierarchy("research"),
        script=_delegating("research"),
        during={"model research": people.cancel()},
        ends={"hello-1": TaskRunPhase.CANCELLED, _CHILD: TaskRunPhase.CANCELLED},
    ),
    Scenario(
        name="delegate-deleted",
        arrange=objects.hierarchy("research"),
        script=_delegating("research"),
        during={"model research": people.delete("taskruns", _CHILD)},
        ends={"hello-1": TaskRunPhase.FINAL_ANSWER, _CHILD: None},
    ),
    Scenario(
        name="deep-cancel",
        arrange=objects.hierarchy("plan", "research"),
        script=_delegating("plan", "research"),
        during={"model research": people.cancel()},
        ends={"hello-1": TaskRunPhase.CANCELLED, _CHILD: TaskRunPhase.CANCELLED},
    ),
)
