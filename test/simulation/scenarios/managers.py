"""Several managers: with leader election, and without, where each wrongly takes the others for dead."""

from __future__ import annotations

from test.simulation.fakes import asks
from test.simulation.plans import Fault
from test.simulation.scenarios import objects
from test.simulation.scenarios.scenario import USUAL, Scenario
from test.simulation.scenarios.tools import ANSWERS, BOOKS, PARIS, ROME

_FAULTS: tuple[Fault, ...] = (*USUAL, "freeze")

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
    Scenario(name="two-managers", arrange=objects.plain(), managers=2, faults=_FAULTS),
    Scenario(
        name="two-managers-tool",
        arrange=objects.endpoints("book"),
        script=BOOKS,
        answers=ANSWERS,
        managers=2,
        faults=_FAULTS,
    ),
)
