"""The client that the MCP conformance suite drives: our connection manager, and nothing else.

Started by the suite (see `mcp_conformance.py`) with the address of its server as the last argument. It does what an
agent's run does: wait until the server is ready, then call tools, and make a call again with what people reply.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kubechain.mcp.elicitation import Asked, Inputs, Item, Reply, UrlAsked, with_defaults
from kubechain.mcp.errors import McpError
from kubechain.mcp.manager import ConnectionManager
from kubechain.mcp.model import Limits, Phase, ServerKey, ServerSpec, ToolInfo

KEY = ServerKey("conformance", "1", "suite")
SCENARIO = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
CONTEXT: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")

Call = tuple[str, dict[str, Any]]

PLAUSIBLE: dict[str, Any] = {"string": "text", "integer": 5, "number": 3, "boolean": True, "array": [], "object": {}}


async def main(url: str) -> None:
    """Connect and call."""
    changed = asyncio.Event()
    manager = ConnectionManager(on_change=lambda _: changed.set(), limits=Limits(retry_first_seconds=0.05))
    owner = asyncio.create_task(manager.run())
    manager.ensure(KEY, ServerSpec("http", url=url, asks_first=True))
    async with asyncio.timeout(10):
        while (state := manager.state(KEY)) is None or state.phase not in (Phase.READY, Phase.FAILED):
            await changed.wait()
            changed.clear()
    if state.error:
        raise SystemExit(state.error)
    for tool, arguments in calls(state.tools):
        await call(manager, tool, arguments)
    await linger()
    owner.cancel()
    await asyncio.wait([owner])


def calls(tools: tuple[ToolInfo, ...]) -> Iterator[Call]:
    """Say what to call: what the scenario asks for, else every tool with plausible arguments."""
    if given := CONTEXT.get("toolCalls"):
        yield from ((call["name"], call["arguments"]) for call in given)
    elif SCENARIO == "json-schema-2020-12-preservation":
        focal, echo = tools[0], tools[1]
        yield echo.name, dict.fromkeys(echo.input_schema.get("properties", {"schema": 0}), focal.input_schema)
    else:
        yield from ((tool.name, plausible(tool)) for tool in tools)


def plausible(tool: ToolInfo) -> dict[str, Any]:
    """Make arguments that fit a tool's schema."""
    properties: dict[str, dict[str, Any]] = tool.input_schema.get("properties") or {}
    return {name: PLAUSIBLE.get(str(schema.get("type")), "text") for name, schema in properties.items()}


async def call(manager: ConnectionManager, tool: str, arguments: dict[str, Any]) -> None:
    """Call a tool and say what came of it."""
    try:
        result = await manager.call(KEY, tool, arguments, timeout_seconds=20, meta={}, may_hold=True)
        while isinstance(result, Inputs):
            inputs = replace(result, items=tuple(Item(item.asked, reply(item.asked)) for item in result.items))
            result = await manager.call(KEY, tool, arguments, timeout_seconds=20, meta={}, inputs=inputs, may_hold=True)
    except McpError as error:
        print(f"{tool}: {type(error).__name__}: {error}", file=sys.stderr)
    else:
        print(f"{tool}: {'error: ' if result.is_error else ''}{result.content[:200]}", file=sys.stderr)


def reply(asked: Asked) -> Reply:
    """Reply as a person does who leaves out what has a default."""
    if isinstance(asked, UrlAsked):
        return Reply("accept")
    required: list[str] = asked.schema.get("required") or []
    fields = {name: asked.schema["properties"][name] for name in required}
    given = {name: PLAUSIBLE[str(field["type"])] for name, field in fields.items() if "default" not in field}
    return Reply("accept", with_defaults(asked.schema, given))


async def linger() -> None:
    """Let what was sent last arrive."""
    await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
