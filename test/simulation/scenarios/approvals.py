"""Calls that a person must approve, and everything that may become of the request."""

from __future__ import annotations

from functools import partial

from kubechain.api.taskrun import TaskRunPhase
from test.simulation.cluster import Cluster
from test.simulation.fakes import asks
from test.simulation.scenarios import agents, deciding, objects, people
from test.simulation.scenarios.deciding import APPEARS
from test.simulation.scenarios.scenario import Scenario
from test.simulation.scenarios.tools import ANSWERS, BOOKS, PARIS, ROME

DELEGATE = "delegate_to_agent__research"


def guarded(arrange: objects.Arrange, *tools: str, **terms: object) -> objects.Arrange:
    """Tools of a story that need approval.

    Args:
        terms: How they are approved.
    """

    def arrange_all(cluster: Cluster) -> None:
        arrange(cluster)
        approval = {"approval": dict(terms)} if terms else {}
        for tool in tools:
            cluster.patch("tools", tool, {"spec": {"requiresApproval": True} | approval})

    return arrange_all


def guarded_server(cluster: Cluster) -> None:
    """An MCP server whose tools need approval, but for those that only read."""
    objects.mcp_server(cluster)
    terms = {"requiresApproval": True, "approval": {"exceptReadOnly": True}}
    cluster.patch("mcpservers", "shop", {"spec": terms})


def guarded_delegation(cluster: Cluster) -> None:
    """An agent that may delegate when a person agrees, since a policy says so."""
    policy = {"action": "Require", "tools": ["delegate_to_agent__*"], "message": "Agents are expensive."}
    cluster.apply("approvalpolicies", "delegation", spec=policy)
    objects.hierarchy("research")(cluster)


booking = partial(
    Scenario,
    arrange=guarded(objects.endpoints("book"), "book"),
    script=BOOKS,
    answers=ANSWERS,
    guarded=frozenset({"book"}),
)
"""A booking that a person must approve."""

IN_TIME = guarded(objects.endpoints("book"), "book", expireAfter="10m")

DECIDED: tuple[Scenario, ...] = (
    booking(name="approved", during={APPEARS: deciding.decides()}),
    booking(name="rejected", during={APPEARS: deciding.decides("Reject", comment="Too far away.")}),
    booking(name="approved-edited", during={APPEARS: deciding.decides(arguments=ROME)}),
    Scenario(
        name="approved-for-run",
        arrange=guarded(objects.endpoints("book", "weather"), "book", "weather"),
        script=asks([("book", PARIS)], [("book", ROME)], [("weather", PARIS)]),
        answers=ANSWERS,
        guarded=frozenset({"book", "weather"}),
        during={
            f"{APPEARS}{deciding.CALL}": deciding.decides("ApproveForRun"),
            f"{APPEARS}hello-1-t2-c0": deciding.decides(request="hello-1-t2-c0"),
        },
    ),
    Scenario(
        name="grant-revoked",
        arrange=guarded(objects.endpoints("book"), "book"),
        script=asks([("book", PARIS)], [("book", ROME)]),
        answers=ANSWERS,
        guarded=frozenset({"book"}),
        during={
            f"{APPEARS}{deciding.CALL}": deciding.decides("ApproveForRun"),
            "tool book": deciding.revoke,
            f"{APPEARS}hello-1-t1-c0": deciding.decides("Reject", request="hello-1-t1-c0"),
        },
    ),
    booking(
        name="approved-container",
        arrange=guarded(objects.containers("book"), "book"),
        during={APPEARS: deciding.decides()},
        # Without errors: three in a row at the Job end a call, which is right, and not the same end.
        faults=("storm", "crashes", "stale"),
    ),
    Scenario(
        name="approved-builtin",
        arrange=guarded(objects.builtins("add"), "add"),
        script=asks([("add", '{"a": 2, "b": 3}')]),
        guarded=frozenset({"add"}),
        during={APPEARS: deciding.decides()},
    ),
    Scenario(
        name="approved-mcp",
        arrange=guarded_server,
        script=asks([("shop__lookup", "{}"), ("shop__order", "{}")]),
        guarded=frozenset({"shop__order"}),
        during={APPEARS: deciding.decides(request="hello-1-t0-c1")},
    ),
    Scenario(
        name="approved-delegation",
        arrange=guarded_delegation,
        script=agents.delegating("research"),
        guarded=frozenset({DELEGATE}),
        during={APPEARS: deciding.decides()},
    ),
)

UNDECIDED: tuple[Scenario, ...] = (
    booking(name="approval-expires", arrange=IN_TIME, during={APPEARS: deciding.decides_late(1_200.0)}),
    booking(
        name="approval-cancelled",
        during={APPEARS: deciding.once_asked(people.cancel())},
        ends={"hello-1": TaskRunPhase.CANCELLED},
    ),
    booking(
        name="approval-run-deleted",
        during={APPEARS: deciding.once_asked(people.delete_run)},
        ends={"hello-1": None},
    ),
    booking(
        name="approval-deadline",
        arrange=guarded(objects.endpoints("book", task_spec={"activeDeadlineSeconds": 600}), "book"),
        ends={"hello-1": TaskRunPhase.FAILED},
    ),
    booking(
        name="approval-refused",
        during={
            f"PUT taskruntoolcalls/{deciding.CALL}/status AwaitingHumanApproval": people.refuse("POST humanrequests"),
            APPEARS: deciding.decides(),
        },
    ),
)

FORGED: tuple[Scenario, ...] = (
    booking(
        name="approval-forged-status", arrange=IN_TIME, during={APPEARS: deciding.once_asked(deciding.forge_status)}
    ),
    booking(name="approval-forged-request", during={APPEARS: deciding.forge_request}),
)

RIVALS: tuple[Scenario, ...] = (
    booking(name="rivals-approved", during={APPEARS: deciding.decides()}, managers=2, elects=False),
    booking(
        name="rivals-approval-cancelled",
        during={APPEARS: deciding.once_asked(people.cancel())},
        ends={"hello-1": TaskRunPhase.CANCELLED},
        managers=2,
        elects=False,
    ),
)

ALL = (*DECIDED, *UNDECIDED, *FORGED, *RIVALS)
