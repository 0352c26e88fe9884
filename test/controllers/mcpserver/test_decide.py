"""What the state of a connection means for an MCPServer, and for those who use it meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.references import LocalObjectReference
from kubechain.controllers.frame import Done
from kubechain.controllers.mcpserver.decide import decide
from kubechain.controllers.mcpserver.observe import Observed
from kubechain.controllers.mcpserver.steps import Connect, Refuse, ReportTools, ReportUnconnected, Step
from kubechain.mcp.model import Flaw, Phase, ServerState, ToolInfo
from test.controllers.mcpserver.builders import LOOK, SPEC, TOUCH, a_server, connected, edited, seen

NEW, CONNECTED = a_server(), connected(LOOK)
LOST_BEFORE = CONNECTED.with_status(connected=False, ready=False)
READY = ServerState(Phase.READY, (LOOK,), connects=1)
FIRST, AGAIN = ServerState(Phase.CONNECTING), ServerState(Phase.CONNECTING, connects=1)
LOST = ServerState(Phase.BACKOFF, error="reset", connects=1, is_lost=True)
STARTING = ServerState(Phase.CONNECTING, error="Starting, 5 s: npm install")
NO_SCHEMA = Flaw("touch", "its inputSchema is missing")
BROKEN = ServerState(Phase.FAILED, error="no such program")
MISSING = 'Secret "tokens" not found'
CONNECTING = ReportUnconnected("Connecting")
PROGRESS = ReportUnconnected("Starting, 5 s: npm install")
CANNOT = ReportUnconnected("Cannot connect, trying again: reset", is_failing=True)


@pytest.mark.parametrize(
    ("observed", "step"),
    [
        pytest.param(seen(NEW), Connect(SPEC), id="not connected yet"),
        pytest.param(seen(CONNECTED), Connect(SPEC), id="connected by another process, or with another spec"),
        pytest.param(seen(NEW, state=READY), ReportTools((LOOK,)), id="connected"),
        pytest.param(
            seen(CONNECTED, state=ServerState(Phase.READY, (LOOK, TOUCH), connects=1)),
            ReportTools((LOOK, TOUCH)),
            id="connected, and its tools have changed",
        ),
        pytest.param(
            seen(NEW, state=ServerState(Phase.READY, connects=1)), ReportTools(()), id="connected, and offers nothing"
        ),
        pytest.param(seen(NEW, state=FIRST), CONNECTING, id="being connected for the first time"),
        pytest.param(seen(CONNECTED, state=FIRST), Done(), id="another process was connected: the status stays"),
        pytest.param(
            seen(edited(CONNECTED), state=FIRST), CONNECTING, id="another process was connected, to another spec"
        ),
        pytest.param(
            seen(LOST_BEFORE, state=FIRST), CONNECTING, id="another process was connected, and lost the connection"
        ),
        pytest.param(seen(CONNECTED, state=AGAIN), CONNECTING, id="this process was connected, and connects again"),
        pytest.param(seen(NEW, state=AGAIN), CONNECTING, id="connecting again"),
        pytest.param(
            seen(CONNECTED, state=LOST),
            ReportUnconnected("Connection lost, trying again: reset", is_failing=True, is_lost=True),
            id="the connection was lost",
        ),
        pytest.param(
            seen(CONNECTED, state=ServerState(Phase.BACKOFF, error="reset")),
            CANNOT,
            id="another process was connected, and this one cannot",
        ),
        pytest.param(
            seen(NEW, state=ServerState(Phase.BACKOFF, error="reset")),
            CANNOT,
            id="it was never connected: nothing is lost",
        ),
        pytest.param(
            seen(CONNECTED, state=ServerState(Phase.BACKOFF, error="reset", connects=1)),
            CANNOT,
            id="it was connected with another spec: nothing is lost",
        ),
        pytest.param(seen(NEW, state=STARTING), PROGRESS, id="its start takes long"),
        pytest.param(
            seen(CONNECTED, state=STARTING),
            PROGRESS,
            id="another process was connected, and the start of this one takes long",
        ),
        pytest.param(
            seen(NEW, state=ServerState(Phase.READY, (LOOK,), (NO_SCHEMA,), connects=1)),
            ReportTools((LOOK,), (NO_SCHEMA,)),
            id="connected, and a tool has a flaw",
        ),
        pytest.param(
            seen(NEW, state=BROKEN), ReportUnconnected("no such program", is_broken=True), id="it cannot be connected"
        ),
        pytest.param(
            seen(CONNECTED, state=BROKEN),
            ReportUnconnected("no such program", is_broken=True),
            id="it can be connected no more",
        ),
        pytest.param(seen(NEW, spec=None, trouble=MISSING), Refuse(MISSING), id="a Secret is missing"),
        pytest.param(
            seen(CONNECTED, spec=None, trouble=MISSING, state=READY), Refuse(MISSING), id="a Secret was deleted"
        ),
        pytest.param(
            seen(connected(LOOK, approval_contact_channel=LocalObjectReference(name="ops")), state=READY),
            ReportTools((LOOK,)),
            id="a person must approve its calls: it is connected all the same",
        ),
    ],
)
def test_decide(observed: Observed, step: Step | Done) -> None:
    assert decide(observed) == step


def offered(schema: dict[str, Any]) -> ReportTools:
    state = ServerState(Phase.READY, (ToolInfo("odd", "", schema), LOOK), connects=1)
    step = decide(seen(NEW, state=state))
    assert isinstance(step, ReportTools)
    return step


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        pytest.param({"properties": {"a": {"type": "str"}}}, {"a": {"type": "string"}}, id="a type that JSON has not"),
        pytest.param({"properties": {"a": {"$ref": "#/$defs/gone"}}}, {"a": {}}, id="a reference to nothing"),
        pytest.param({"properties": {"a": {"$ref": "https://x/y.json"}}}, {"a": {}}, id="a reference to elsewhere"),
        pytest.param({"properties": {"a": {"pattern": "("}}}, {"a": {}}, id="a pattern that is none"),
        pytest.param({"properties": 7}, {}, id="properties that are none"),
    ],
)
def test_a_schema_that_no_arguments_can_be_checked_against_is_repaired_and_named(
    schema: dict[str, Any], arguments: dict[str, Any]
) -> None:
    step = offered({"type": "object", **schema})
    assert [(tool.name, tool.input_schema["properties"]) for tool in step.tools] == [
        ("odd", arguments),
        ("look", LOOK.input_schema["properties"]),
    ]
    [flaw] = step.flaws
    assert (flaw.tool, flaw.is_left_out) == ("odd", False)


def test_a_tool_that_no_arguments_can_satisfy_is_left_out_and_named() -> None:
    step = offered({"type": "object", "properties": {}, "additionalProperties": False, "required": ["a"]})
    assert step.tools == (LOOK,)
    [flaw] = step.flaws
    assert (flaw.tool, flaw.is_left_out) == ("odd", True)
    assert '"a" is required' in flaw.what
