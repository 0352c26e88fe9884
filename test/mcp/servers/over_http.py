"""A server written with the MCP library, over HTTP on a free port of loopback, which it prints.

Its argument: `http` (streamable) or `sse`. Its tools show what reached it.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("over-http")
seen: dict[str, str] = {}


@server.tool()
def headers() -> dict[str, str]:
    """Show the headers of the latest call."""
    return seen


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
async def wait(seconds: float) -> str:
    """Take a while."""
    await asyncio.sleep(seconds)
    return "done"


@server.tool()
def megabytes(count: int) -> str:
    """Say much."""
    return "x" * count * 1_000_000


@server.tool()
async def grow(context: Context[Any]) -> str:
    """Have one tool more, and say so."""
    server.add_tool(lambda: "grown", name="grown")
    await context.notify_tools_changed()
    return "grown"


def recording(app: Any) -> Any:
    """Keep the headers of the latest call."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            found = {name.decode(): value.decode() for name, value in scope["headers"]}
            if found.get("mcp-method", "tools/call") == "tools/call":  # the older revisions do not say
                seen.clear()
                seen.update(found)
        await app(scope, receive, send)

    return wrapped


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0))
    print(listener.getsockname()[1], flush=True)
    app = server.sse_app() if sys.argv[1] == "sse" else server.streamable_http_app()
    uvicorn.Server(uvicorn.Config(recording(app), log_level="critical")).run(sockets=[listener])
