"""Budgets of a namespace, and the holds of an LLM: Retry-After, an open circuit, with a queue behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubechain.api.taskrun import TaskRunPhase
from kubechain.llm.errors import RateLimited, ServerFailed
from test.simulation.cluster import Cluster, status_of
from test.simulation.fakes import asks
from test.simulation.outside import Act, Stage
from test.simulation.scenarios import deciding, objects, people
from test.simulation.scenarios.budgets import FIRST, SECOND
from test.simulation.scenarios.moments import SUM
from test.simulation.scenarios.scenario import Scenario

TOKENS = 2
"""What each answer of the model takes."""

LOOK_SECONDS = 0.5


def limited(arrange: objects.Arrange, tokens: int, **spec: Any) -> objects.Arrange:
    """A namespace with a Budget."""

    def arranged(cluster: Cluster) -> None:
        cluster.apply("budgets", "team", spec={"maxTokens": tokens} | spec)
        arrange(cluster)

    return arranged


def once_waiting(name: str, act: Act) -> Act:
    """Do something as soon as a run says that it waits for the Budget."""

    def look(stage: Stage) -> None:
        run = stage.cluster.get("taskruns", name)
        if run is not None and status_of(run).get("waitingForBudget") == "team":
            act(stage)
        else:
            stage.later(LOOK_SECONDS, look)

    return look


def once_finished(act: Act) -> Act:
    """Do something as soon as the run has its answer, and its Task knows of the run."""
    return people.once("taskruns", "hello-1", "FinalAnswer", people.once("tasks", "hello", "Ready", act))


def raise_budget(stage: Stage) -> None:
    """Let the namespace spend more."""
    stage.cluster.patch("budgets", "team", {"spec": {"maxTokens": 1_000}})


def spend_again(stage: Stage) -> None:
    """Run the Task once more, once its first run is gone."""
    if stage.cluster.get("taskruns", "hello-1") is not None:
        stage.later(LOOK_SECONDS, spend_again)
        return
    stage.cluster.apply("taskruns", "again", spec={"taskRef": {"name": "hello"}})
    once_waiting("again", raise_budget)(stage)


def delete_and_spend_again(stage: Stage) -> None:
    """Delete a finished run: what it has spent must count all the same."""
    people.delete("taskruns", "hello-1")(stage)
    spend_again(stage)


THREE: Mapping[str, TaskRunPhase | None] = dict.fromkeys(("hello-1", "again", "once-more"), TaskRunPhase.FINAL_ANSWER)

ALL: tuple[Scenario, ...] = (
    Scenario(
        name="namespace-budget",
        arrange=limited(objects.builtins("add"), TOKENS),
        script=asks([("add", SUM)], [("add", SUM)]),
        later={1.0: once_waiting("hello-1", raise_budget)},
    ),
    Scenario(
        name="namespace-budget-fails",
        arrange=limited(objects.builtins("add"), 2 * TOKENS, onExceeded="Fail", period="Day"),
        script=asks([("add", SUM)], [("add", SUM)]),
        ends={"hello-1": TaskRunPhase.FAILED},
    ),
    Scenario(
        name="namespace-budget-asks",
        arrange=limited(objects.builtins("add"), TOKENS, onExceeded="Ask"),
        script=asks([("add", SUM)], [("add", SUM)]),
        during={
            f"POST humanrequests/{FIRST}": deciding.decides(request=FIRST, answer='{"tokens": 1}'),
            f"POST humanrequests/{SECOND}": deciding.decides(request=SECOND, answer='{"tokens": 100}'),
        },
    ),
    Scenario(
        name="namespace-budget-asks-refused",
        arrange=limited(objects.builtins("add"), TOKENS, onExceeded="Ask"),
        script=asks([("add", SUM)]),
        during={f"POST humanrequests/{FIRST}": deciding.decides("Reject", request=FIRST, comment="Too dear.")},
        ends={"hello-1": TaskRunPhase.FAILED},
    ),
    Scenario(
        name="namespace-budget-asks-raised",
        arrange=limited(objects.builtins("add"), TOKENS, onExceeded="Ask"),
        script=asks([("add", SUM)]),
        during={f"POST humanrequests/{FIRST}": deciding.once_asked(raise_budget, FIRST)},
    ),
    Scenario(
        name="namespace-budget-deleted",
        arrange=limited(objects.plain(), TOKENS),
        later={1.0: once_finished(delete_and_spend_again)},
        ends={"hello-1": None, "again": TaskRunPhase.FINAL_ANSWER},
        faults=("storm", "errors", "chaos", "crashes", "mayhem"),
    ),
    Scenario(
        name="held",
        arrange=objects.one_slot,
        hiccups={"model": (RateLimited("rate limited", http_status=429, retry_after_seconds=30.0),)},
        ends=THREE,
        is_timed=True,  # which of the runs meets the failure is chance
        is_crowded=True,
    ),
    Scenario(
        name="circuit",
        arrange=objects.one_slot,
        hiccups={"model": (ServerFailed("overloaded", http_status=503),) * 6},
        ends=THREE,
        is_timed=True,  # which of the runs meets the failure is chance
        is_crowded=True,
    ),
)
