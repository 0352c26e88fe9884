"""An MCPServer's next status: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kubechain.api import reasons
from kubechain.api.mcpserver import MCPServer, MCPTool
from kubechain.api.meta import StatusType
from kubechain.controllers.frame import Event, Settled, normal, readiness, warning
from kubechain.controllers.mcpserver.steps import ReportUnconnected
from kubechain.mcp.model import ToolInfo

DESCRIPTION_MAX_CHARACTERS = 32_768


def refused(server: MCPServer, detail: str, now: datetime) -> Settled:
    """The spec cannot work."""
    return _not_ready(server, StatusType.ERROR, reasons.VALIDATION_FAILED, detail, now)


def unconnected(server: MCPServer, step: ReportUnconnected, now: datetime) -> Settled:
    """The server is being connected, was lost, or cannot be connected."""
    if step.is_broken:
        return _not_ready(server, StatusType.ERROR, reasons.CONNECTION_FAILED, step.detail, now)
    reason = reasons.CONNECTION_LOST if server.status.connected else reasons.CONNECTING
    return _not_ready(server, StatusType.PENDING, reason, step.detail, now)


def connected(server: MCPServer, infos: Sequence[ToolInfo], now: datetime) -> Settled:
    """The server is connected and offers tools."""
    tools = tuple(_wire(tool) for tool in infos)
    detail = f"Connected, {len(tools)} tool(s)"
    status = readiness(server, StatusType.READY, reason=reasons.TOOLS_DISCOVERED, message=detail, now=now)
    return Settled(status | {"connected": True, "tools": tools}, _news_of_tools(server, tools))


def _news_of_tools(server: MCPServer, tools: tuple[MCPTool, ...]) -> tuple[Event, ...]:
    discovered = normal(reasons.TOOLS_DISCOVERED, reasons.discovered_tools(len(tools)))
    if not server.status.tools and not server.status.connected:
        return (discovered,)
    if tools != server.status.tools:
        return (normal(reasons.TOOLS_CHANGED, f"The server now offers {len(tools)} tool(s)"),)
    return () if server.status.connected else (normal(reasons.CONNECTED, "Connected again"),)


def _not_ready(server: MCPServer, status: StatusType, reason: str, detail: str, now: datetime) -> Settled:
    """Not usable now. The status keeps the list of tools, for those who wait for the server."""
    is_news = server.status.status_detail != detail
    kind = normal if reason == reasons.CONNECTING else warning
    events = (kind(reason, detail),) if is_news else ()
    return Settled(readiness(server, status, reason=reason, message=detail, now=now) | {"connected": False}, events)


def _wire(tool: ToolInfo) -> MCPTool:
    return MCPTool(
        name=tool.name,
        description=tool.description[:DESCRIPTION_MAX_CHARACTERS] or None,
        input_schema=tool.input_schema,
        repeatable=True if tool.read_only or tool.idempotent else None,
    )
