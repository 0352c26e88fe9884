"""Several managers: with leader election, and without, where each wrongly takes the others for dead."""

from __future__ import annotations

from test.simulation.fakes import asks
from test.simulation.plans import Fault
from test.simulation.scenarios import objects, people
from test.simulation.scenarios.agents import CHILD, delegating
from test.simulation.scenarios.scenario import USUAL, Scenario
from test.simulation.scenarios.tools import ANSWERS, PARIS, ROME, booking

_FAULTS: tuple[Fault, ...] = (*USUAL, "behind", "freeze")

ALL: tuple[Scenario, ...] = (
    Scenario(name="rivals", arrange=objects.plain(), managers=2, elects=False, faults=_FAULTS),
    Scenario(
        name="rivals-tool",
        arrange=objects.endpoints("book", "weather"),
        script=asks([("book", PARIS), ("weather", ROME)]),
        answers=ANSWERS,
        managers=2,
        elects=False,
        faults=_FAULTS,
    ),
    booking(
        name="rivals-call-deleted",
        during={"tool": people.delete("taskruntoolcalls", "hello-1-t0-c0")},
        managers=2,
        elects=False,
        faults=("storm", "chaos", "behind"),
    ),
    Scenario(
        name="rivals-delegate-deleted",
        arrange=objects.hierarchy("research"),
        script=delegating("research"),
        during={"model research": people.slowly(people.once_delegated(people.delete("taskruns", CHILD)))},
        managers=2,
        elects=False,
        faults=("storm", "chaos", "stale", "behind"),
    ),
    Scenario(name="two-managers", arrange=objects.plain(), managers=2, faults=_FAULTS),
    booking(
        name="two-managers-tool",
        managers=2,
        faults=_FAULTS,
    ),
)
