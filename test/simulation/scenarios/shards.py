"""Several managers that share the runs: each works on its part, and parts move when managers come and go."""

from __future__ import annotations

from kubechain.api.taskrun import TaskRunPhase
from test.simulation.fakes import asks
from test.simulation.plans import Fault
from test.simulation.scenarios import objects
from test.simulation.scenarios.agents import delegating
from test.simulation.scenarios.scenario import USUAL, Scenario
from test.simulation.scenarios.tools import ANSWERS, PARIS, ROME

_FAULTS: tuple[Fault, ...] = (*USUAL, "behind", "freeze", "cut")

_SOME = ("again", "once-more", "and-again")
_MANY = (*_SOME, "fifth", "sixth", "seventh", "eighth")


def _all_answered(*names: str) -> dict[str, TaskRunPhase | None]:
    return dict.fromkeys(("hello-1", *names), TaskRunPhase.FINAL_ANSWER)


ALL: tuple[Scenario, ...] = (
    Scenario(
        name="shards",
        arrange=objects.crowd(objects.endpoints("book", "weather"), *_SOME),
        script=asks([("book", PARIS), ("weather", ROME)]),
        answers=ANSWERS,
        ends=_all_answered(*_SOME),
        managers=2,
        shares=True,
        faults=_FAULTS,
    ),
    Scenario(
        name="four-shards",
        arrange=objects.crowd(objects.endpoints("book"), *_MANY),
        script=asks([("book", PARIS)]),
        answers=ANSWERS,
        ends=_all_answered(*_MANY),
        managers=4,
        shares=True,
        faults=("storm", "chaos", "crashes", "mayhem", "freeze", "cut"),
    ),
    Scenario(
        name="shards-delegation",
        arrange=objects.hierarchy("research"),
        script=delegating("research"),
        managers=2,
        shares=True,
        faults=_FAULTS,
    ),
    Scenario(
        name="shards-slots",
        arrange=objects.with_one_slot(objects.crowd(objects.plain(), *_SOME)),
        ends=_all_answered(*_SOME),
        managers=2,
        shares=True,
        is_crowded=True,
        faults=_FAULTS,
    ),
)
