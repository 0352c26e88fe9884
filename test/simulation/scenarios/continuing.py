"""Runs that continue others, Tasks that keep few of their runs, and runs of many turns."""

from __future__ import annotations

from typing import Any

from kubechain.api.taskrun import TaskRunPhase
from test.simulation.cluster import Cluster
from test.simulation.fakes import asks
from test.simulation.outside import Act, Stage
from test.simulation.scenarios import objects, people
from test.simulation.scenarios.growth import LONG, small_model
from test.simulation.scenarios.objects import Arrange
from test.simulation.scenarios.scenario import Scenario
from test.simulation.scenarios.tools import ANSWERS

ANSWERED = TaskRunPhase.FINAL_ANSWER
BOTH = {"hello-1": ANSWERED, "more": ANSWERED}
SUM = ("add", '{"a": 1, "b": 2}')
LATER_SECONDS = 1_800.0
"""Between runs of which one shall have ended before the next one begins, whatever breaks."""


def followed(arrange: Arrange, **source: Any) -> Arrange:
    """A story whose run is continued by another one, which was made before the first one has begun."""

    def arranged(cluster: Cluster) -> None:
        arrange(cluster)
        spec = {"agentRef": {"name": "my-assistant"}, "userMessage": "hello, and of Mars?"}
        cluster.apply("taskruns", "more", spec=spec | {"continueFrom": {"name": "hello-1"} | source})

    return arranged


def again(name: str) -> Act:
    """Run the Task once more."""

    def act(stage: Stage) -> None:
        stage.cluster.apply("taskruns", name, spec={"taskRef": {"name": "hello"}})

    return act


CONTINUED: tuple[Scenario, ...] = (
    Scenario(name="continued", arrange=followed(objects.plain()), ends=BOTH),
    Scenario(
        name="continued-turn",
        arrange=followed(objects.builtins("add"), beforeTurn=2),
        script=asks([SUM]),
        ends=BOTH,
    ),
    Scenario(
        name="continued-long",
        arrange=followed(objects.endpoints("long", safe=True)),
        script=asks([LONG] * 5, [LONG]),
        answers=ANSWERS,
        ends=BOTH,
        faults=("stale", "errors"),
    ),
    Scenario(
        name="continued-summarised",
        arrange=followed(objects.endpoints("long", safe=True)),
        script=small_model(10),
        answers=ANSWERS,
        ends=BOTH,
        faults=("stale", "errors"),
    ),
    Scenario(
        name="continued-cancelled",
        arrange=followed(objects.endpoints("book", safe=True)),
        script=asks([("book", '{"city": "Paris"}')]),
        answers=ANSWERS,
        during={"tool book": people.cancel()},
        ends={"hello-1": TaskRunPhase.CANCELLED, "more": ANSWERED},
    ),
)

HISTORY: tuple[Scenario, ...] = (
    Scenario(
        name="history",
        arrange=objects.plain(historyLimit={"succeeded": 1}),
        later={LATER_SECONDS: again("again"), 2 * LATER_SECONDS: again("once-more")},
        ends={"hello-1": None, "again": None, "once-more": ANSWERED},
    ),
    Scenario(
        name="rivals-history",
        arrange=objects.plain(historyLimit={"succeeded": 0, "failed": 0}),
        later={LATER_SECONDS: again("again")},
        ends={"hello-1": None, "again": ANSWERED},
        managers=2,
        elects=False,
        faults=("storm", "chaos", "stale", "behind"),
    ),
)

TURNS: tuple[Scenario, ...] = (
    Scenario(
        name="many-turns", arrange=objects.builtins("add"), script=asks(*([[SUM]] * 14)), faults=("stale", "errors")
    ),
)

ALL = (*CONTINUED, *HISTORY, *TURNS)
