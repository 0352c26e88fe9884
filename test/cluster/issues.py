"""An MCP server over streamable HTTP, written with the SDK, in the place of an image that a node of the tests lacks.

The tests hand the text of this file to the Python of the manager's image. Its one tool tells which Pod answers. With
the argument `sessions` it speaks only the revisions of the protocol that begin with a handshake: the server then knows
its clients by a session, which is lost when it restarts.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

ANYWHERE = "0.0.0.0"
PORT = 8000
REFUSED = b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "Bad Request: Missing session ID"}}'

server = MCPServer("issues")


@server.tool()
async def get_pod(seconds: float = 0.0) -> str:
    """Say which Pod answers, taking some time over it."""
    print("begun", flush=True)
    await asyncio.sleep(seconds)
    return socket.gethostname()


def older(app: Any) -> Any:
    """Refuse what is of a newer revision, as servers do that were written before it."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        revision = dict(scope.get("headers", [])).get(b"mcp-protocol-version", b"").decode()
        if not revision or revision in HANDSHAKE_PROTOCOL_VERSIONS:
            await app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 400, "headers": headers})
        await send({"type": "http.response.body", "body": REFUSED})

    return wrapped


if __name__ == "__main__":
    app = server.streamable_http_app(host=ANYWHERE)
    served = older(app) if "sessions" in sys.argv else app
    # The manager's streams are open for as long as the server lives: it ends without waiting for them.
    uvicorn.run(served, host=ANYWHERE, port=PORT, timeout_graceful_shutdown=1)
