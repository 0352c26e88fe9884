"""Runs with tools: HTTP endpoints, MCP servers and containers, and everything that may become of a call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from kubechain.api.taskrun import TaskRunPhase
from test.simulation.fakes import BROKEN, Answer, asks
from test.simulation.scenarios import objects, people
from test.simulation.scenarios.scenario import Scenario

PARIS = '{"city": "Paris"}'
ROME = '{"city": "Rome"}'

BOOKS = asks([("book", PARIS)])
"""A model that books once."""

ANSWERS: Mapping[str, Answer] = {
    "weather": lambda arguments: f"Sunny in {arguments['city']}",
    "book": lambda arguments: f"Booked {arguments['city']}",
    "broken": lambda arguments: BROKEN,
    "long": lambda arguments: "word " * 300_000,
    # Each of these characters takes two in JSON: the API server refuses what would have room in UTF-8.
    "unstorable": lambda arguments: '"' * 900_000,
}
_CALL = "hello-1-t0-c0"

booking = partial(Scenario, arrange=objects.endpoints("book"), script=BOOKS, answers=ANSWERS)
"""The story of most of what may become of a call: one booking, which must not be made twice."""

ENDPOINTS: tuple[Scenario, ...] = (
    booking(name="one-tool-call"),
    Scenario(
        name="safe-tool-call",
        arrange=objects.endpoints("weather", safe=True),
        script=asks([("weather", PARIS)]),
        answers=ANSWERS,
    ),
    Scenario(
        name="parallel-calls",
        arrange=objects.endpoints("book", "weather"),
        script=asks([("book", PARIS), ("weather", PARIS), ("weather", ROME)]),
        answers=ANSWERS,
    ),
    Scenario(
        name="two-turns",
        arrange=objects.endpoints("book", "weather"),
        script=asks([("weather", PARIS)], [("book", PARIS)]),
        answers=ANSWERS,
    ),
    Scenario(
        name="failing-tool",
        arrange=objects.endpoints("broken"),
        script=asks([("broken", PARIS)]),
        answers=ANSWERS,
    ),
    Scenario(name="unknown-tool", arrange=objects.endpoints("book"), script=asks([("no_such_tool", PARIS)])),
    Scenario(
        name="bad-arguments",
        arrange=objects.endpoints("book"),
        script=asks([("book", '{"town": 7}'), ("book", "{")]),
    ),
    Scenario(
        name="tool-times-out",
        arrange=objects.endpoints("book", timeoutSeconds=40),
        script=BOOKS,
        answers=ANSWERS,
        slow=("tool",),
    ),
    Scenario(
        name="safe-tool-times-out",
        arrange=objects.endpoints("weather", safe=True, timeoutSeconds=40),
        script=asks([("weather", PARIS)]),
        answers=ANSWERS,
        slow=("tool",),
    ),
    Scenario(
        name="deadline-tool",
        arrange=objects.endpoints("weather", safe=True, timeoutSeconds=1_800, task_spec={"activeDeadlineSeconds": 600}),
        script=asks([("weather", PARIS)]),
        answers=ANSWERS,
        slow=("tool",),
        ends={"hello-1": TaskRunPhase.FAILED},
        faults=("storm", "errors", "chaos", "stale"),
    ),
    Scenario(
        name="expiry-tools",
        arrange=objects.endpoints("book", task_spec={"ttlSecondsAfterFinished": 20}),
        script=BOOKS,
        answers=ANSWERS,
        ends={"hello-1": None},
    ),
    Scenario(
        name="long-result",
        arrange=objects.endpoints("long", maxResponseBytes=1_048_576),
        script=asks([("long", PARIS)]),
        answers=ANSWERS,
        faults=("errors", "chaos"),
    ),
    Scenario(
        name="unstorable-result",
        arrange=objects.endpoints("unstorable", maxResponseBytes=1_048_576),
        script=asks([("unstorable", PARIS)]),
        answers=ANSWERS,
        faults=("errors", "chaos"),
    ),
)

INTERFERENCE: tuple[Scenario, ...] = (
    booking(
        name="cancel-tool-call",
        during={"tool": people.cancel()},
        faults=("storm", "errors", "chaos", "stale"),  # killed again and again, people are slower than the tool
        ends={"hello-1": TaskRunPhase.CANCELLED},
    ),
    booking(
        name="call-deleted",
        during={"tool": people.delete("taskruntoolcalls", _CALL)},
    ),
    booking(
        name="run-deleted-tools",
        during={"tool": people.delete_run},
        ends={"hello-1": None},
    ),
    booking(
        name="task-deleted",
        during={"tool": people.delete("tasks", "hello")},
        ends={"hello-1": None},
    ),
    booking(
        name="tool-comes-back",
        during={"model": people.take_tool_away},
    ),
    booking(
        name="foreign-finalizers",
        during={"tool": people.hold},
    ),
    booking(
        name="held-call-deleted",
        during={"tool": people.both(people.hold, people.delete("taskruntoolcalls", _CALL))},
    ),
    booking(
        name="agent-deleted-tools",
        during={"tool": people.delete("agents", "my-assistant")},
    ),
    Scenario(
        name="agent-edited-tools",
        arrange=objects.endpoints("book"),
        script=asks([("book", PARIS)], [("book", ROME)]),
        answers=ANSWERS,
        during={"tool": people.edit_agent},
    ),
    booking(
        name="secret-rotated-tools",
        during={"tool": people.rotate_key},
    ),
)

SERVERS: tuple[Scenario, ...] = (
    Scenario(
        name="mcp-call",
        arrange=objects.mcp_server,
        script=asks([("shop__lookup", "{}"), ("shop__order", "{}")]),
    ),
    Scenario(
        name="mcp-listed",
        arrange=objects.mcp_server_with_list,
        script=asks([("shop__lookup", "{}"), ("shop__order", "{}")]),
    ),
    Scenario(
        name="mcp-listed-in-vain",
        arrange=objects.mcp_server_with_list_of_others,
        script=asks([("shop__lookup", "{}"), ("shop__order", "{}")]),
    ),
    Scenario(
        name="mcp-listed-outage-in-call",
        arrange=objects.mcp_server_with_list,
        script=asks([("shop__lookup", "{}")], [("shop__order", "{}")]),
        during={"mcp lookup": people.mcp_outage},
    ),
    Scenario(
        name="mcp-outage",
        arrange=objects.mcp_server,
        script=asks([("shop__lookup", "{}")], [("shop__order", "{}")]),
        during={"model hello/4": people.mcp_outage},
    ),
    Scenario(
        name="mcp-outage-in-call",
        arrange=objects.mcp_server,
        script=asks([("shop__lookup", "{}")], [("shop__order", "{}")]),
        during={"mcp order": people.mcp_outage},
        is_crowded=True,
    ),
)

CONTAINERS: tuple[Scenario, ...] = (
    Scenario(name="container", arrange=objects.containers("book"), script=BOOKS, answers=ANSWERS),
    Scenario(
        name="safe-container",
        arrange=objects.containers("weather", safe=True),
        script=asks([("weather", PARIS)]),
        answers=ANSWERS,
    ),
    Scenario(
        name="failing-container",
        arrange=objects.containers("broken"),
        script=asks([("broken", PARIS)]),
        answers=ANSWERS,
        faults=("errors", "chaos"),
    ),
    Scenario(
        name="container-times-out",
        arrange=objects.containers("book", timeoutSeconds=40),
        script=BOOKS,
        answers=ANSWERS,
        slow=("container",),
    ),
    Scenario(
        name="cancel-container",
        arrange=objects.containers("book"),
        script=BOOKS,
        answers=ANSWERS,
        during={"container": people.cancel()},
        ends={"hello-1": TaskRunPhase.CANCELLED},
    ),
)

ALL = (*ENDPOINTS, *INTERFERENCE, *SERVERS, *CONTAINERS)
