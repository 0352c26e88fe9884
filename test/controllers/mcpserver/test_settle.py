"""What a connection makes of an MCPServer's status: news once, and a list of tools that outlives the connection."""

from __future__ import annotations

from datetime import datetime

import pytest

from kubechain.api import reasons
from kubechain.api.conditions import find_condition
from kubechain.api.mcpserver import MCPServer, MCPTool, MCPToolFilter
from kubechain.api.meta import StatusType
from kubechain.api.tool import ToolSemantics
from kubechain.controllers.frame import Settled, next_version
from kubechain.controllers.mcpserver import settle
from kubechain.controllers.mcpserver.steps import Refuse, ReportTools, ReportUnconnected
from kubechain.mcp.model import Flaw, ToolInfo
from test.controllers.builders import NOW, later
from test.controllers.mcpserver.builders import LOOK, SCHEMA, TOUCH, a_server, connected

NEW, CONNECTED = a_server(), connected(LOOK)
LOST = ReportUnconnected("Connection lost, trying again: reset", is_failing=True, is_lost=True)
FAILING = ReportUnconnected("Cannot connect, trying again: reset", is_failing=True)
BROKEN = ReportUnconnected("no such program", is_broken=True)
CONNECTING = ReportUnconnected("Connecting")


NO_SCHEMA = Flaw("touch", "its inputSchema is no object: str", is_left_out=True)
NO_SRC = Flaw("look", "one of its icons has no src")


def lost(server: MCPServer) -> MCPServer:
    return next_version(server, settle.unconnected(server, LOST, NOW))


def said(settled: Settled) -> list[tuple[str, str, str]]:
    return [(event.type, event.reason, event.message) for event in settled.events]


@pytest.mark.parametrize(
    ("before", "settled", "status", "event"),
    [
        pytest.param(
            NEW,
            settle.refused(NEW, "wrong", NOW),
            StatusType.ERROR,
            ("Warning", reasons.VALIDATION_FAILED, "wrong"),
            id="the spec cannot work",
        ),
        pytest.param(
            CONNECTED,
            settle.refused(CONNECTED, "wrong", NOW),
            StatusType.ERROR,
            ("Warning", reasons.VALIDATION_FAILED, "wrong"),
            id="the spec was edited, and cannot work any more",
        ),
        pytest.param(
            NEW,
            settle.unconnected(NEW, CONNECTING, NOW),
            StatusType.PENDING,
            ("Normal", reasons.CONNECTING, "Connecting"),
            id="it is being connected",
        ),
        pytest.param(
            CONNECTED,
            settle.unconnected(CONNECTED, LOST, NOW),
            StatusType.PENDING,
            ("Warning", reasons.CONNECTION_LOST, LOST.detail),
            id="the connection was lost",
        ),
        pytest.param(
            NEW,
            settle.unconnected(NEW, FAILING, NOW),
            StatusType.PENDING,
            ("Warning", reasons.CONNECTION_FAILED, FAILING.detail),
            id="it was never connected, so nothing was lost",
        ),
        pytest.param(
            CONNECTED,
            settle.unconnected(CONNECTED, CONNECTING, NOW),
            StatusType.PENDING,
            ("Normal", reasons.CONNECTING, "Connecting"),
            id="its Secret was rotated, so nothing was lost",
        ),
        pytest.param(
            CONNECTED,
            settle.unconnected(CONNECTED, BROKEN, NOW),
            StatusType.ERROR,
            ("Warning", reasons.CONNECTION_FAILED, "no such program"),
            id="it cannot be connected",
        ),
    ],
)
def test_a_server_that_is_not_connected_keeps_its_list_of_tools(
    before: MCPServer, settled: Settled, status: StatusType, event: tuple[str, str, str]
) -> None:
    after = next_version(before, settled).status
    assert (after.status, after.ready, after.connected) == (status, False, False)
    assert (after.status_detail, after.tools) == (event[2], before.status.tools)
    condition = find_condition(after.conditions, "Ready")
    assert condition is not None
    assert (condition.status, condition.reason, condition.message) == ("False", event[1], event[2])
    assert said(settled) == [event]


DISCOVERED_ONE = ("Normal", reasons.TOOLS_DISCOVERED, reasons.discovered_tools(1))


@pytest.mark.parametrize(
    ("before", "tools", "events"),
    [
        pytest.param(NEW, (LOOK,), [DISCOVERED_ONE], id="connected for the first time"),
        pytest.param(
            NEW,
            (),
            [("Normal", reasons.TOOLS_DISCOVERED, reasons.discovered_tools(0))],
            id="connected for the first time, and it offers nothing",
        ),
        pytest.param(lost(NEW), (LOOK,), [DISCOVERED_ONE], id="connected at the second try"),
        pytest.param(CONNECTED, (LOOK,), [], id="still connected"),
        pytest.param(connected(), (), [], id="still connected, and it offers nothing"),
        pytest.param(
            CONNECTED,
            (LOOK, TOUCH),
            [("Normal", reasons.TOOLS_CHANGED, "The server now offers 2 tool(s)")],
            id="it offers more",
        ),
        pytest.param(
            CONNECTED,
            (),
            [("Normal", reasons.TOOLS_CHANGED, "The server now offers 0 tool(s)")],
            id="it offers nothing",
        ),
        pytest.param(
            lost(CONNECTED), (LOOK,), [("Normal", reasons.CONNECTED, "Connected again")], id="connected again"
        ),
        pytest.param(
            lost(CONNECTED),
            (TOUCH,),
            [("Normal", reasons.TOOLS_CHANGED, "The server now offers 1 tool(s)")],
            id="connected again, and it offers something else",
        ),
    ],
)
def test_a_connected_server_says_what_is_new_about_its_tools(
    before: MCPServer, tools: tuple[ToolInfo, ...], events: list[tuple[str, str, str]]
) -> None:
    settled = settle.connected(before, ReportTools(tools), NOW)
    after = next_version(before, settled).status
    assert (after.status, after.ready, after.connected) == (StatusType.READY, True, True)
    assert after.status_detail == f"Connected, {len(tools)} tool(s)"
    assert [tool.name for tool in after.tools] == [tool.name for tool in tools]
    assert said(settled) == events


def settled_at(server: MCPServer, step: Refuse | ReportUnconnected | ReportTools, now: datetime) -> Settled:
    match step:
        case Refuse(detail):
            return settle.refused(server, detail, now)
        case ReportUnconnected():
            return settle.unconnected(server, step, now)
        case ReportTools():
            return settle.connected(server, step, now)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(Refuse("wrong"), id="refused"),
        pytest.param(CONNECTING, id="connecting"),
        pytest.param(BROKEN, id="broken"),
        pytest.param(ReportTools((LOOK,)), id="connected"),
        pytest.param(ReportTools((LOOK,), (NO_SCHEMA, NO_SRC)), id="connected, with flaws"),
    ],
)
def test_a_state_that_lasts_costs_one_write_and_one_event(step: Refuse | ReportUnconnected | ReportTools) -> None:
    told = next_version(NEW, settled_at(NEW, step, NOW))
    assert said(settled_at(NEW, step, NOW))
    again = settled_at(told, step, later(60))
    assert next_version(told, again) is told
    assert again.events == ()


def test_flaws_of_tools_are_named_in_the_status_and_in_events() -> None:
    settled = settle.connected(NEW, ReportTools((LOOK,), (NO_SCHEMA, NO_SRC)), NOW)
    left_out = 'Not offered: "touch": its inputSchema is no object: str'
    repaired = 'Repaired: "look": one of its icons has no src'
    after = next_version(NEW, settled).status
    assert after.status_detail == f"Connected, 1 tool(s). {left_out}. {repaired}"
    assert [tool.name for tool in after.tools] == ["look"]
    assert said(settled) == [
        DISCOVERED_ONE,
        ("Warning", reasons.TOOLS_LEFT_OUT, left_out),
        ("Normal", reasons.TOOLS_REPAIRED, repaired),
    ]


def test_many_flaws_fit_into_the_status() -> None:
    flaws = tuple(Flaw(f"\a{number}\u202e{'x' * 300}", "y" * 300, is_left_out=True) for number in range(1000))
    detail = next_version(NEW, settle.connected(NEW, ReportTools((), flaws), NOW)).status.status_detail
    assert detail.endswith("; and 990 more")
    assert detail.isprintable()
    assert len(detail) <= 4096


def test_how_far_a_start_has_come_is_no_event() -> None:
    started = next_version(NEW, settle.unconnected(NEW, CONNECTING, NOW))
    progress = settle.unconnected(started, ReportUnconnected("Starting, 5 s: npm install"), later(5))
    assert next_version(started, progress).status.status_detail == "Starting, 5 s: npm install"
    assert said(progress) == []


def test_a_loss_that_is_retried_with_the_same_words_is_told_once() -> None:
    after = lost(CONNECTED)
    assert said(settle.unconnected(after, LOST, later(60))) == []


@pytest.mark.parametrize(
    ("info", "tool"),
    [
        pytest.param(
            ToolInfo("look", "Looks.", SCHEMA, read_only=True),
            MCPTool(name="look", description="Looks.", input_schema=SCHEMA, repeatable=True, read_only=True),
            id="it says that it changes nothing",
        ),
        pytest.param(
            ToolInfo("look", "Looks.", SCHEMA, idempotent=True),
            MCPTool(name="look", description="Looks.", input_schema=SCHEMA, repeatable=True),
            id="it says that it may be repeated",
        ),
        pytest.param(
            ToolInfo("look", "", SCHEMA),
            MCPTool(name="look", description=None, input_schema=SCHEMA, repeatable=None),
            id="it says nothing",
        ),
        pytest.param(
            ToolInfo("look", "x" * (settle.DESCRIPTION_MAX_CHARACTERS + 1), SCHEMA),
            MCPTool(name="look", description="x" * settle.DESCRIPTION_MAX_CHARACTERS, input_schema=SCHEMA),
            id="it says more than the API server stores",
        ),
    ],
)
def test_a_tool_is_stored_with_what_its_server_says_of_it(info: ToolInfo, tool: MCPTool) -> None:
    (stored,) = next_version(NEW, settle.connected(NEW, ReportTools((info,)), NOW)).status.tools
    assert stored.with_changes(semantics=None) == tool


def test_each_tool_shows_whether_a_call_of_it_may_be_repeated() -> None:
    server = connected(LOOK, TOUCH, tools=MCPToolFilter(idempotent=("to*",)))
    assert [(tool.name, tool.semantics) for tool in server.status.tools] == [
        ("look", ToolSemantics.AT_MOST_ONCE),
        ("touch", ToolSemantics.IDEMPOTENT),
    ]


def test_what_is_listed_as_safe_to_repeat_and_is_not_offered_is_named() -> None:
    server = a_server(tools=MCPToolFilter(idempotent=("look", "eyes__look", "get_*")))
    settled = settle.connected(server, ReportTools((LOOK,)), NOW)
    unmatched = 'spec.tools.idempotent: no tool that is offered has the name "eyes__look", "get_*"'
    assert next_version(server, settled).status.status_detail == f"Connected, 1 tool(s). {unmatched}"
    assert said(settled) == [DISCOVERED_ONE, ("Warning", reasons.TOOLS_UNMATCHED, unmatched)]


def test_a_list_of_tools_that_are_safe_to_repeat_is_no_news_of_the_server() -> None:
    declared = CONNECTED.spec.with_changes(tools=MCPToolFilter(idempotent=("look",)))
    settled = settle.connected(CONNECTED.with_changes(spec=declared), ReportTools((LOOK,)), NOW)
    assert settled.events == ()
    (tool,) = next_version(CONNECTED, settled).status.tools
    assert tool.semantics == ToolSemantics.IDEMPOTENT


def test_many_names_in_vain_fit_into_the_status() -> None:
    server = a_server(tools=MCPToolFilter(idempotent=tuple(f"{number}" * 200 for number in range(100, 120))))
    detail = next_version(server, settle.connected(server, ReportTools((LOOK,)), NOW)).status.status_detail
    assert detail is not None
    assert detail.endswith("and 10 more")
