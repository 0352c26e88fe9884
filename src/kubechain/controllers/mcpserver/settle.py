"""An MCPServer's next status: pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from kubechain.api import reasons
from kubechain.api.conditions import READY, find_condition
from kubechain.api.mcpserver import MCPServer, MCPServerSpec, MCPTool, PodState
from kubechain.api.meta import StatusType
from kubechain.controllers.frame import Event, Settled, normal, readiness, warning
from kubechain.controllers.mcpserver import offering
from kubechain.controllers.mcpserver.steps import AwaitPod, ReportTools, ReportUnconnected
from kubechain.mcp.model import ToolInfo
from kubechain.net import foreign
from kubechain.runtime.errors import WriteRefused

DESCRIPTION_MAX_CHARACTERS = 32_768

REFUSED_SECONDS = 30.0
"""After which an object that the API server refused is tried again: a quota or a policy may have changed."""


def refused(server: MCPServer, detail: str, now: datetime) -> Settled:
    """The spec cannot work."""
    return _not_ready(server, StatusType.ERROR, reasons.VALIDATION_FAILED, detail, now)


def unconnected(server: MCPServer, step: ReportUnconnected, now: datetime) -> Settled:
    """The server is being connected, was lost, or cannot be connected."""
    pod = _running_pod(server)
    if step.is_broken:
        return _not_ready(server, StatusType.ERROR, reasons.CONNECTION_FAILED, step.detail, now, pod)
    if step.is_failing:
        reason = reasons.CONNECTION_LOST if step.is_lost else reasons.CONNECTION_FAILED
        return _not_ready(server, StatusType.PENDING, reason, step.detail, now, pod)
    return _not_ready(server, StatusType.PENDING, reasons.CONNECTING, step.detail, now, pod)


def _running_pod(server: MCPServer) -> PodState | None:
    return PodState.RUNNING if server.spec.is_in_pod else None


def awaits_pod(server: MCPServer, step: AwaitPod, now: datetime) -> Settled:
    """The server's Pod is not ready."""
    if not step.trouble and step.is_waking:
        return _usable(server, PodState.STARTING, reasons.CONNECTING, "Waking: its Pod is being started", now)
    if not step.trouble:
        return _not_ready(server, StatusType.PENDING, reasons.CONNECTING, "Starting its Pod", now, PodState.STARTING)
    # How long kubelet waits before the next attempt changes again and again, and is not worth a write.
    detail = f"Starting its Pod: {foreign.stable(step.trouble, mask_numbers='back-off' in step.trouble)}"
    return _not_ready(server, StatusType.PENDING, reasons.CONNECTION_FAILED, detail, now, PodState.STARTING)


def asleep(server: MCPServer, now: datetime) -> Settled:
    """No call needs the server. Those that use it see a server that is ready: the next call waits a little longer."""
    return _usable(server, PodState.ASLEEP, reasons.ASLEEP, "Asleep: the next call starts its Pod", now)


def _usable(server: MCPServer, pod: PodState, reason: str, detail: str, now: datetime) -> Settled:
    """Ready to be called, although there is no connection: the tools are known, and a call waits for the Pod."""
    status = readiness(server, StatusType.READY, reason=reason, message=detail, now=now)
    events = (normal(reason, detail),) if server.status.status_detail != detail else ()
    return Settled(status | {"connected": False, "pod": pod}, events)


def object_refused(server: MCPServer, refusal: WriteRefused, now: datetime) -> Settled:
    """The API server refuses an object of the server's Pod."""
    settled = _not_ready(server, StatusType.ERROR, reasons.WRITE_REFUSED, foreign.one_line(str(refusal), 1024), now)
    return replace(settled, requeue_after_seconds=REFUSED_SECONDS)


def connected(server: MCPServer, step: ReportTools, now: datetime) -> Settled:
    """The server is connected and offers tools."""
    tools = tuple(_wire(tool, server.spec) for tool in step.tools)
    left_out, repaired = offering.left_out(step.flaws), offering.repaired(step.flaws)
    unmatched = offering.unmatched(server.spec.idempotent, step.tools)
    detail = ". ".join(filter(None, (f"Connected, {len(tools)} tool(s)", left_out, repaired, unmatched)))
    status = readiness(server, StatusType.READY, reason=reasons.TOOLS_DISCOVERED, message=detail, now=now)
    events = [*_news_of_tools(server, tools)]
    if detail != server.status.status_detail:
        events += [warning(reasons.TOOLS_LEFT_OUT, left_out)] if left_out else []
        events += [normal(reasons.TOOLS_REPAIRED, repaired)] if repaired else []
        events += [warning(reasons.TOOLS_UNMATCHED, unmatched)] if unmatched else []
    changed = status | {"connected": True, "tools": tools, "pod": _running_pod(server)}
    return Settled(changed, tuple(events), requeue_after_seconds=step.look_again_seconds)


def _news_of_tools(server: MCPServer, tools: tuple[MCPTool, ...]) -> tuple[Event, ...]:
    discovered = normal(reasons.TOOLS_DISCOVERED, reasons.discovered_tools(len(tools)))
    if not server.status.tools and not server.status.connected:
        return (discovered,)
    if _as_offered(tools) != _as_offered(server.status.tools):
        return (normal(reasons.TOOLS_CHANGED, f"The server now offers {len(tools)} tool(s)"),)
    return () if server.status.connected else (normal(reasons.CONNECTED, "Connected again"),)


def _as_offered(tools: tuple[MCPTool, ...]) -> list[MCPTool]:
    """What the server says of its tools, without what the spec makes of it."""
    return [tool.model_copy(update={"semantics": None}) for tool in tools]


def _not_ready(
    server: MCPServer, status: StatusType, reason: str, detail: str, now: datetime, pod: PodState | None = None
) -> Settled:
    """Not usable now. The status keeps the list of tools, for those who wait for the server."""
    is_connecting = reason == reasons.CONNECTING
    is_news = server.status.status_detail != detail and not (is_connecting and _is_said(server, reason))
    kind = normal if is_connecting else warning
    events = (kind(reason, detail),) if is_news else ()
    unready = readiness(server, status, reason=reason, message=detail, now=now)
    return Settled(unready | {"connected": False, "pod": pod}, events)


def _is_said(server: MCPServer, reason: str) -> bool:
    """Whether the status has that reason already: how far a start has come is no event."""
    ready = find_condition(server.status.conditions, READY)
    return ready is not None and ready.reason == reason


def _wire(tool: ToolInfo, spec: MCPServerSpec) -> MCPTool:
    wire = MCPTool(
        name=tool.name,
        description=tool.description[:DESCRIPTION_MAX_CHARACTERS] or None,
        input_schema=tool.input_schema,
        repeatable=True if tool.read_only or tool.idempotent else None,
        read_only=True if tool.read_only else None,
    )
    return wire.model_copy(update={"semantics": spec.semantics_of(wire)})
