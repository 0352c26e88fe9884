"""Agents that ask people, calls whose outcome nobody knows, and everything that may become of the request."""

from __future__ import annotations

from functools import partial
from typing import Any

from kubechain.api.taskrun import TaskRunPhase
from test.simulation.cluster import Cluster
from test.simulation.fakes import asks
from test.simulation.scenarios import deciding, objects, people
from test.simulation.scenarios.deciding import APPEARS, CALL
from test.simulation.scenarios.scenario import Scenario

QUESTION = asks([("ask_human", '{"message": "Which city?"}')])
WAITING = f"PUT taskruntoolcalls/{CALL}/status AwaitingHumanInput"


def asking(**spec: Any) -> objects.Arrange:
    """An agent that may ask people.

    Args:
        spec: More of the Task.
    """

    def arrange(cluster: Cluster) -> None:
        objects.assistant(cluster, askHuman=True)
        objects.task(cluster, **spec)

    return arrange


def approved_questions(cluster: Cluster) -> None:
    """An agent that may ask people when a person agrees, since a policy says so."""
    cluster.apply("approvalpolicies", "questions", spec={"action": "Require", "tools": ["ask_*"]})
    asking()(cluster)


def asking_shop(cluster: Cluster) -> None:
    """An MCP server of whose calls a person says what became of them, where nobody knows."""
    objects.mcp_server(cluster)
    cluster.patch("mcpservers", "shop", {"spec": {"onUnknownOutcome": "Ask"}})


question = partial(Scenario, arrange=asking(), script=QUESTION)
"""The story of most of what may become of a question."""

order = partial(Scenario, arrange=asking_shop, script=asks([("shop__order", "{}")]))
"""An order whose connection breaks, so that nobody knows whether it was taken."""

LOST = {"mcp order": people.mcp_outage}

QUESTIONS: tuple[Scenario, ...] = (
    question(name="question", during={APPEARS: deciding.decides("Answer", answer="Rome")}),
    question(name="question-declined", during={APPEARS: deciding.decides("Reject", comment="Ask the owner.")}),
    question(name="question-expires", expire_after="10m", during={APPEARS: deciding.decides_late(1_200.0, "Answer")}),
    question(
        name="question-cancelled",
        during={APPEARS: deciding.once_asked(people.cancel())},
        ends={"hello-1": TaskRunPhase.CANCELLED},
    ),
    question(
        name="question-run-deleted",
        during={APPEARS: deciding.once_asked(people.delete_run)},
        ends={"hello-1": None},
    ),
    question(
        name="question-deadline",
        arrange=asking(activeDeadlineSeconds=600),
        ends={"hello-1": TaskRunPhase.FAILED},
    ),
    question(
        name="question-refused",
        during={
            WAITING: people.refuse("POST humanrequests"),
            APPEARS: deciding.decides("Answer", answer="Rome"),
        },
    ),
    question(
        name="question-approved",
        arrange=approved_questions,
        during={
            f"{APPEARS}{CALL}": deciding.decides(),
            f"{APPEARS}{CALL}-2": deciding.decides("Answer", f"{CALL}-2", answer="Rome"),
        },
    ),
    question(
        name="rivals-question",
        during={APPEARS: deciding.decides("Answer", answer="Rome")},
        managers=2,
        elects=False,
    ),
)

OUTCOMES: tuple[Scenario, ...] = (
    order(name="outcome-happened", during=LOST, later={0.0: deciding.answers_all("Happened", answer="one order")}),
    order(name="outcome-did-not-happen", during=LOST, later={0.0: deciding.answers_all("DidNotHappen")}),
    order(name="outcome-unknown", during=LOST, later={0.0: deciding.answers_all("Unknown")}),
    order(name="outcome-expires", expire_after="10m", during=LOST),
    order(
        name="outcome-cancelled",
        during=LOST | {APPEARS: deciding.once_asked(people.cancel())},
        ends={"hello-1": TaskRunPhase.CANCELLED},
    ),
)

RIVALS: tuple[Scenario, ...] = (
    order(
        name="rivals-outcome",
        later={0.0: deciding.answers_all("Happened", answer="one order")},
        managers=2,
        elects=False,
    ),
    order(
        name="rivals-outcome-again",
        later={0.0: deciding.answers_all("DidNotHappen")},
        managers=2,
        elects=False,
    ),
)
"""Each manager takes the other's attempt for lost while it goes on, and a person is asked about it.

Nothing breaks the connection here: two managers of which one is connected and one is not write the status of the
MCPServer against each other until both are, hundreds of times.
"""

ALL = (*QUESTIONS, *OUTCOMES, *RIVALS)
