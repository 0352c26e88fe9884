"""An MCP server written with the SDK: `python peer.py stdio|http|sse [ledger] [port]`.

Over HTTP it prints its port. Its tools show what reached it; `note` writes into the ledger when it begins and when it
ends, so that a test can tell how often it was called, even when nobody heard the answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

KEY = "kubechain.humanlayer.dev/idempotency-key"

server = MCPServer("peer")
ledger = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(os.devnull)
seen: dict[str, str] = {}


def write(what: str, text: str, key: str = "") -> None:
    """One line, in one system call."""
    line = json.dumps({"what": what, "text": text, "key": key, "at": time.time(), "pid": os.getpid()}) + "\n"
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


@server.tool()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


@server.tool()
async def note(text: str, context: Context[Any], seconds: float = 0.0) -> str:
    """Write something down, taking some time over it."""
    meta: Any = context.request_context.meta or {}
    write("begun", text, str(meta.get(KEY, "")))
    await asyncio.sleep(seconds)
    write("done", text)
    return f"noted: {text}"


@server.tool()
def secret_length() -> str:
    """Say how long the secret is, and how it ends."""
    value = os.environ.get("TOKEN") or seen.get("x-token", "")
    return f"{len(value)} characters, the last is {value[-1:]}"


def recording(app: Any) -> Any:
    """Keep the headers of the latest POST."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            seen.update({name.decode(): value.decode() for name, value in scope["headers"]})
        await app(scope, receive, send)

    return wrapped


if __name__ == "__main__":
    write("started", sys.argv[1])
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        listener = socket.create_server(("127.0.0.1", int(sys.argv[3]) if len(sys.argv) > 3 else 0))
        print(listener.getsockname()[1], flush=True)
        app = server.sse_app() if sys.argv[1] == "sse" else server.streamable_http_app()
        uvicorn.Server(uvicorn.Config(recording(app), log_level="critical")).run(sockets=[listener])
