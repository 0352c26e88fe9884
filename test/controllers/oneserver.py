"""An MCP server that exists in the test alone, in the place of all connections of a replica."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubechain.controllers.toolkinds.mcp import KEY_META
from kubechain.llm.fake import calls
from kubechain.mcp.elicitation import Inputs
from kubechain.mcp.errors import McpError
from kubechain.mcp.model import CallResult, Phase, ServerKey, ServerSpec, ServerState, ToolInfo
from test.controllers.builders import a_call
from test.controllers.world import World

SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
SILENT = ToolInfo("look", "Looks.", SCHEMA)
"""A tool of which its server says nothing."""

ASKED = calls(a_call("eyes__look", "{}"))
"""What a model says that calls the tool."""


@dataclass
class OneServer:
    """Connections to a server that is always there, and whose calls end as the test says.

    Attributes:
        tool: What the server offers.
        failures: Of its next calls; then they succeed.
        questions: What its next calls ask people for; then they succeed.
        replies: What its calls came with.
    """

    tool: ToolInfo
    failures: list[McpError]
    attempts: int = 0
    keys: set[ServerKey] = field(default_factory=set[ServerKey])
    idempotency_keys: set[str] = field(default_factory=set[str])
    questions: list[Inputs] = field(default_factory=list[Inputs])
    replies: list[Inputs | None] = field(default_factory=list["Inputs | None"])

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    def is_specified(self, key: ServerKey, spec: ServerSpec) -> bool:
        return key in self.keys

    def ensure(self, key: ServerKey, spec: ServerSpec) -> ServerState:
        self.keys.add(key)
        return self.state(key)

    def state(self, key: ServerKey) -> ServerState:
        return ServerState(Phase.READY, (self.tool,), connects=1)

    async def call(self, key: ServerKey, tool: str, arguments: Mapping[str, Any], **more: Any) -> CallResult | Inputs:
        self.attempts += 1
        self.replies.append(more.get("inputs"))
        self.idempotency_keys.add(more["meta"][KEY_META])
        if self.failures:
            raise self.failures.pop(0)
        if self.questions:
            return self.questions.pop(0)
        return CallResult("seen")


Connect = Callable[[OneServer], None]
"""The fixture `connect`: from now on, replicas have this server in place of all others."""


async def an_agent_that_looks(world: World, **spec: Any) -> None:
    """An agent that has the server.

    Args:
        spec: More of the MCPServer.
    """
    await world.apply_walk_through(mcpServers=[{"name": "eyes"}])
    manifest = {"metadata": {"name": "eyes"}, "spec": {"type": "stdio", "command": "x", **spec}}
    await world.apply("mcpservers", manifest)


async def a_task_that_looks(world: World, **spec: Any) -> None:
    """An agent that has the server, and a Task of it."""
    await an_agent_that_looks(world, **spec)
    await world.apply_task()
