"""All sorts of tools, without anything that they would call."""

from __future__ import annotations

from typing import Any, cast

from kubechain.controllers.toolkinds import agent, builtin, container, http, mcp
from kubechain.controllers.toolkinds.registry import ToolKinds
from kubechain.mcp.manager import ConnectionManager
from kubechain.runtime.clock import LoopClock
from kubechain.tools.engine import ContainerEngine
from kubechain.tools.external_api import ExternalAPIClient


def all_tool_kinds(tools: Any, mcp_servers: Any, agents: Any) -> ToolKinds:
    """The table of the product, over these listers."""
    nothing, clock = cast(Any, None), LoopClock()
    containers = container.Containers(nothing, clock, ContainerEngine(which=lambda program: None), nothing)
    rows = (
        mcp.tool_kind(mcp_servers, ConnectionManager(on_change=lambda key: None), nothing),
        agent.tool_kind(agents),
        http.tool_kind(ExternalAPIClient(), nothing),
        container.tool_kind(containers),
        builtin.tool_kind(clock),
    )
    return ToolKinds(tools, rows)
