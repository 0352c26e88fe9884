"""Adds, with `fastmcp` or version 1 of the MCP library, whichever is installed. Arguments: transport and port."""

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
from __future__ import annotations

import importlib.util
import sys

transport, port = sys.argv[1], int(sys.argv[2])
if importlib.util.find_spec("fastmcp"):
    from fastmcp import FastMCP

    server = FastMCP("calculator")
    settings = {} if transport == "stdio" else {"host": "127.0.0.1", "port": port, "show_banner": False}
else:
    from mcp.server.fastmcp import FastMCP

    server = FastMCP("calculator", host="127.0.0.1", port=port)
    transport, settings = {"http": "streamable-http"}.get(transport, transport), {}


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


server.run(transport, **settings)
