"""Conversations that are too long for the status of their run: the older messages move into ContextChunks."""

from __future__ import annotations

from test.simulation.fakes import asks
from test.simulation.scenarios import objects
from test.simulation.scenarios.scenario import Scenario
from test.simulation.scenarios.tools import ANSWERS, PARIS

LONG = ("long", PARIS)

ALL: tuple[Scenario, ...] = (
    Scenario(
        name="long-conversation",
        arrange=objects.endpoints("long", safe=True),
        script=asks([LONG] * 5, [LONG]),
        answers=ANSWERS,
        faults=("stale", "errors"),
    ),
)
