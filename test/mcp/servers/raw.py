"""A server in a few lines, without the MCP library: it starts in milliseconds, and can be made to misbehave.

The scripts beside this one use it. It speaks the protocol with the handshake.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

Message = dict[str, Any]
Tools = list[Message]


def tool(name: str, **more: Any) -> Message:
    """Describe a tool."""
    return {"name": name, "description": f"Does {name}.", "inputSchema": {"type": "object"}, **more}


def messages() -> Iterator[Message]:
    """Read what the client says."""
    for line in sys.stdin:
        yield json.loads(line)


def say(**message: Any) -> None:
    """Write a message."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def initialized(message: Message) -> Message:
    """Answer the handshake."""
    return {
        "protocolVersion": message["params"]["protocolVersion"],
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": {"name": "raw", "version": "1"},
    }


def text(content: str) -> Message:
    """Make a result of a tool."""
    return {"content": [{"type": "text", "text": content}]}


def serve(
    tools: Tools,
    call: Callable[[str, Message], Message | None] = lambda name, arguments: text(name),
    *,
    page: Callable[[str | None], Message] | None = None,
    listed: Callable[[], None] = lambda: None,
) -> None:
    """Serve until the input ends.

    Args:
        tools: As they are at each listing.
        call: Makes the result of a call; None: there will be no answer.
        page: Makes the answer to a listing; None: all tools at once.
        listed: Called after each listing.
    """
    for message in messages():
        match message:
            case {"method": "initialize", "id": id}:
                say(id=id, result=initialized(message))
            case {"method": "tools/list", "id": id, **rest}:
                cursor = rest.get("params", {}).get("cursor")
                say(id=id, result=page(cursor) if page else {"tools": tools})
                listed()
            case {"method": "tools/call", "id": id, "params": params}:
                if (result := call(params["name"], {**params, "id": id})) is not None:
                    say(id=id, result=result)
            case {"method": method, "id": id}:
                say(id=id, error={"code": -32601, "message": f"no {method}"})
            case _:
                pass
