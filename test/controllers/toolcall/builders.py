"""Tool calls at points of their life, the run that waits for them, and the offers of every sort of tool."""

from __future__ import annotations

from typing import Any

from kubechain.api import names
from kubechain.api.mcpserver import MCPServer, MCPServerSpec, MCPTool
from kubechain.api.meta import StatusType, owner_reference
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import PendingToolCall, Pinned, PinnedTool, TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import Execution, TaskRunToolCall, TaskRunToolCallSpec, ToolCallPhase
from kubechain.api.tool import BuiltinTool, ContainerTool, ExternalAPI, Tool, ToolExecute, ToolSemantics, ToolSpec
from kubechain.controllers.toolcall.claims import execution_for
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolkinds.model import Offer
from test.controllers.builders import ME, NOW, Shelf, a_run, an_agent, meta
from test.controllers.toolkinds.builders import all_tool_kinds

CALL_NAME = "hello-1-t0-c0"
CHILD_NAME = names.sub_agent_run_name(CALL_NAME)
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ARGUMENTS = '{"a": 1}'
MESSAGE = '{"message": "Go and see."}'

ADD = ToolExecute(builtin=BuiltinTool(name="add"))
FETCH = ExternalAPI(url="https://example.com/look")
JOB = ContainerTool(image="busybox")


def a_tool(name: str, execute: ToolExecute | None, **spec: Any) -> Tool:
    values: dict[str, Any] = {"parameters": SCHEMA, "execute": execute}
    tool = Tool(metadata=meta(name), spec=ToolSpec(**(values | spec)))
    return tool.with_status(status=StatusType.READY, ready=True)


def a_server(name: str, **spec: Any) -> MCPServer:
    """A server that says of `look`, and not of `touch`, that it may be repeated."""
    values: dict[str, Any] = {"type": "stdio", "command": "x"}
    server = MCPServer(metadata=meta(name), spec=MCPServerSpec(**(values | spec)))
    tools = (
        MCPTool(name="look", input_schema=SCHEMA, repeatable=True),
        MCPTool(name="touch", input_schema=SCHEMA),
    )
    return server.with_status(status=StatusType.READY, ready=True, connected=True, tools=tools)


TOOLS = (
    a_tool("add", ADD),
    a_tool("add_once", ADD, semantics=ToolSemantics.AT_MOST_ONCE),
    a_tool("fetch", ToolExecute(external_api=FETCH)),
    a_tool(
        "fetch_safely",
        ToolExecute(external_api=FETCH.with_changes(timeout_seconds=5)),
        semantics=ToolSemantics.IDEMPOTENT,
    ),
    a_tool("job", ToolExecute(container=JOB)),
    a_tool(
        "job_safely", ToolExecute(container=JOB.with_changes(timeout_seconds=30)), semantics=ToolSemantics.IDEMPOTENT
    ),
    a_tool("broken", ADD, parameters={"type": "no such type"}),
    a_tool("ask_scout", None, agent_ref=LocalObjectReference(name="scout")),
)
SERVERS = (a_server("eyes"), a_server("trusted", trust_annotations=True), a_server("not", trust_annotations=False))
ALL_TOOLS_AGENT = an_agent(
    tools=tuple(LocalObjectReference(name=tool.metadata.name) for tool in TOOLS),
    mcp_servers=tuple(LocalObjectReference(name=server.metadata.name) for server in SERVERS),
    sub_agents=(LocalObjectReference(name="scout"),),
    planning=True,
)
KINDS = all_tool_kinds(Shelf(*TOOLS), Shelf(*SERVERS), Shelf(an_agent("scout")))
OFFERS: dict[str, Offer] = {offer.name: offer for offer in KINDS.offers_of(ALL_TOOLS_AGENT)}


def a_tool_call(
    phase: ToolCallPhase | None = None,
    *,
    is_deleted: bool = False,
    is_held: bool = True,
    arguments: str = ARGUMENTS,
    **status: Any,
) -> TaskRunToolCall:
    """A call as its run made it.

    Args:
        is_held: Whether it has our finalizer.
    """
    more: dict[str, Any] = {"finalizers": (names.TOOL_CALL_FINALIZER,)} if is_held else {}
    if is_deleted:
        more["deletion_timestamp"] = NOW
    call = TaskRunToolCall(
        metadata=meta(CALL_NAME, owner_references=(owner_reference(a_run()),), **more),
        spec=TaskRunToolCallSpec(
            tool_call_id="call_1",
            task_run_ref=LocalObjectReference(name="hello-1"),
            tool_ref=LocalObjectReference(name="add"),
            arguments=arguments,
        ),
    )
    return call.with_status(phase=phase, **status)


def an_execution(
    *, attempt: int = 0, semantics: ToolSemantics = ToolSemantics.IDEMPOTENT, holder: str = ME
) -> Execution:
    return execution_for(
        a_tool_call(), attempt=attempt, holder=holder, semantics=semantics, now=NOW, timeout_seconds=60
    )


def claimed(*, attempt: int = 0, semantics: ToolSemantics = ToolSemantics.IDEMPOTENT, **call: Any) -> TaskRunToolCall:
    """A call that somebody carries out, or carried out before he died."""
    return a_tool_call(ToolCallPhase.RUNNING, execution=an_execution(attempt=attempt, semantics=semantics), **call)


def a_waiting_run(*, is_deleted: bool = False, tools: tuple[str, ...] = ("add", "fetch"), **changes: Any) -> TaskRun:
    """The run whose open turn contains the call."""
    pinned = Pinned(
        agent_name="my-assistant",
        llm_name="gpt-4o",
        tools=tuple(PinnedTool(name=name, kind="Tool", object=name) for name in tools),
    )
    values: dict[str, Any] = {
        "phase": TaskRunPhase.TOOL_CALLS_PENDING,
        "pinned": pinned,
        "pending_turn": (PendingToolCall(idx=0, tool_call_id="call_1", name="add", args_sha=""),),
    }
    run = a_run(**(values | changes))
    if not is_deleted:
        return run
    return run.model_copy(update={"metadata": run.metadata.with_changes(deletion_timestamp=NOW)})


def seen(call: TaskRunToolCall, offer: str = "", **changes: Any) -> Observed:
    """A call that its run waits for.

    Args:
        offer: Name of one of `OFFERS` that the tool's name stands for.
    """
    values: dict[str, Any] = {"run": a_waiting_run(), "now": NOW}
    if offer:
        values |= {"found": OFFERS[offer], "planner": KINDS.planner(OFFERS[offer])}
    return Observed(call=call, **(values | changes))
