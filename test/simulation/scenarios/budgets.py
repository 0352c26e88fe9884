"""Runs that ask a person when they have reached a limit, and everything that may become of the request."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRunPhase
from kubechain.llm.client import Completion
from test.simulation.cluster import Cluster
from test.simulation.fakes import Script, asks, says
from test.simulation.outside import Act, Stage
from test.simulation.scenarios import agents, deciding, objects, people
from test.simulation.scenarios.moments import SUM
from test.simulation.scenarios.scenario import Scenario

FIRST = "hello-1-budget-1"
SECOND = "hello-1-budget-2"
BELOW = f"{agents.CHILD}-budget-1"

ASKING = {"maxTurns": 1, "onExceeded": "Ask"}
STOPPED = f"POST humanrequests/{FIRST}"


def forge_request(stage: Stage) -> None:
    """Make the request before the manager does, about something harmless, and approve that."""
    about = {"type": "Budget", "subject": {"resource": "agents", "name": "my-assistant"}}
    question = {**about, "message": "May the agent have a coffee?"}
    deciding.forge(stage, ("taskruns", "hello-1"), FIRST, question, answer='{"turns": 1000}')


def raise_limit(stage: Stage) -> None:
    """Give the Agent more turns."""
    stage.cluster.patch("agents", "my-assistant", {"spec": {"limits": {"maxTurns": 9}}})


delete_run = people.once("tasks", "hello", "Pending", people.delete("taskruns", "hello-1"))
"""Delete the run, once its Task says that it waits."""


def limited(above: dict[str, Any] | None = None, below: dict[str, Any] | None = None) -> objects.Arrange:
    """An agent that delegates to another one that can compute, each with its limits."""

    def arrange(cluster: Cluster) -> None:
        objects.hierarchy("research")(cluster)
        function = {"description": "The function add.", "execute": {"builtin": {"name": "add"}}}
        cluster.apply("tools", "add", spec=function)
        cluster.patch(
            "agents", "research", {"spec": {"tools": [{"name": "add"}]} | ({"limits": below} if below else {})}
        )
        if above:
            cluster.patch("agents", "my-assistant", {"spec": {"limits": above}})

    return arrange


def computing() -> Script:
    """A model that hands the question down to one that computes twice."""
    heads = {
        "You are helpful.": asks([("delegate_to_agent__research", '{"message": "research this"}')]),
        "You are research.": asks([("add", SUM)], [("add", SUM)], then="Found it."),
    }

    def script(messages: Sequence[Message]) -> Completion:
        return heads.get(messages[0].content, says("It has none."))(messages)

    return script


def story(decided: Act, **more: Any) -> Scenario:
    """A run that reaches its limit before its second turn, and has three."""
    return working(during={STOPPED: decided} | more.pop("during", {}), **more)


working = partial(
    Scenario,
    arrange=objects.builtins("add", limits=ASKING),
    script=asks([("add", SUM)], [("add", SUM)]),
)

TWICE = {
    STOPPED: deciding.decides(request=FIRST, answer='{"turns": 1}'),
    f"POST humanrequests/{SECOND}": deciding.decides(request=SECOND),
}

ALL: tuple[Scenario, ...] = (
    working(name="budget-added-twice", during=TWICE),
    story(deciding.decides(request=FIRST, answer='{"turns": 5}'), name="budget-answered"),
    working(
        name="budget-unusable",
        during={
            STOPPED: deciding.decides(request=FIRST, answer='{"turns": "many"}'),
            f"POST humanrequests/{SECOND}": deciding.decides(request=SECOND, answer='{"turns": 4}'),
        },
    ),
    story(
        deciding.decides("Reject", request=FIRST, comment="Too dear."),
        name="budget-rejected",
        ends={"hello-1": TaskRunPhase.FAILED},
    ),
    story(
        deciding.once_asked(people.cancel(), FIRST),
        name="budget-cancelled",
        ends={"hello-1": TaskRunPhase.CANCELLED},
    ),
    story(deciding.once_asked(delete_run, FIRST), name="budget-run-deleted", ends={"hello-1": None}),
    story(deciding.once_asked(raise_limit, FIRST), name="budget-raised"),
    story(forge_request, name="budget-forged", ends={"hello-1": TaskRunPhase.FAILED}),
    working(
        name="budget-calls",
        arrange=objects.builtins("add", limits={"maxToolCalls": 1, "onExceeded": "Ask"}),
        script=asks([("add", SUM), ("add", SUM)]),
        during={STOPPED: deciding.decides(request=FIRST)},
    ),
    working(
        name="budget-refused",
        during={
            "PUT taskruns/hello-1/status ReadyForLLM": people.refuse("POST humanrequests"),
            STOPPED: deciding.decides(request=FIRST, answer='{"turns": 5}'),
        },
    ),
    Scenario(
        name="budget-below",
        arrange=limited(below=ASKING),
        script=computing(),
        during={f"POST humanrequests/{BELOW}": deciding.decides(request=BELOW, answer='{"turns": 5}')},
    ),
    Scenario(
        name="budget-below-cancelled",
        arrange=limited(below=ASKING),
        script=computing(),
        during={f"POST humanrequests/{BELOW}": deciding.once_asked(people.cancel(), BELOW)},
        ends={"hello-1": TaskRunPhase.CANCELLED, agents.CHILD: TaskRunPhase.CANCELLED},
    ),
    Scenario(
        name="budget-above",
        arrange=limited(above={"maxTurns": 2, "onExceeded": "Ask"}),
        script=computing(),
        during={STOPPED: deciding.decides(request=FIRST, answer='{"turns": 9}')},
    ),
    story(deciding.decides(request=FIRST, answer='{"turns": 5}'), name="rivals-budget", managers=2, elects=False),
)
