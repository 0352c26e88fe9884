"""MCPServers, and the connections of a process to them."""

from __future__ import annotations

from typing import Any

from kubechain.api.mcpserver import MCPServer, MCPServerSpec
from kubechain.controllers.frame import next_version
from kubechain.controllers.mcpserver import settle
from kubechain.controllers.mcpserver.observe import Observed
from kubechain.controllers.mcpserver.steps import ReportTools
from kubechain.mcp.model import ServerSpec, ToolInfo
from test.controllers.builders import NOW, meta

SPEC = ServerSpec("stdio", command="x")
SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
LOOK, TOUCH = ToolInfo("look", "Looks.", SCHEMA, read_only=True), ToolInfo("touch", "Touches.", SCHEMA)


def a_server(**spec: Any) -> MCPServer:
    values: dict[str, Any] = {"type": "stdio", "command": "x"}
    return MCPServer(metadata=meta("eyes"), spec=MCPServerSpec(**(values | spec)))


def connected(*tools: ToolInfo, **spec: Any) -> MCPServer:
    """A server whose status says that it is connected and offers these tools."""
    server = a_server(**spec)
    return next_version(server, settle.connected(server, ReportTools(tools), NOW))


def edited(server: MCPServer) -> MCPServer:
    """The server after somebody changed its spec."""
    return server.model_copy(update={"metadata": server.metadata.with_changes(generation=2)})


def seen(server: MCPServer, **changes: Any) -> Observed:
    values: dict[str, Any] = {"spec": SPEC}
    return Observed(server=server, **(values | changes))
