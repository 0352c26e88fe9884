"""An MCP server without the SDK, over stdio: it is there in milliseconds, where `peer.py` takes a second to start.

`python quick.py LEDGER`. Its one tool, `note`, writes into the ledger when it begins and when it ends; calls go side by
side. It speaks the protocol with the handshake.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

KEY = "kubechain.humanlayer.dev/idempotency-key"
NOTE = {
    "name": "note",
    "description": "Write something down, taking some time over it.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}


def write(what: str, text: str, key: str = "") -> None:
    """One line, in one system call."""
    line = json.dumps({"what": what, "text": text, "key": key, "at": time.time(), "pid": os.getpid()}) + "\n"
    descriptor = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def say(id: Any, result: dict[str, Any]) -> None:
    """Answer a request, in one system call."""
    os.write(1, (json.dumps({"jsonrpc": "2.0", "id": id, "result": result}) + "\n").encode())


def call(id: Any, params: dict[str, Any]) -> None:
    """Carry a call out and answer it."""
    text = params["arguments"]["text"]
    write("begun", text, params.get("_meta", {}).get(KEY, ""))
    time.sleep(params["arguments"].get("seconds", 0.0))
    write("done", text)
    say(id, {"content": [{"type": "text", "text": f"noted: {text}"}]})


write("started", "quick")
for line in sys.stdin:
    match json.loads(line):
        case {"method": "initialize", "id": id, "params": {"protocolVersion": version}}:
            about = {"name": "quick", "version": "1"}
            say(id, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about})
        case {"method": "tools/list", "id": id}:
            say(id, {"tools": [NOTE]})
        case {"method": "tools/call", "id": id, "params": params}:
            threading.Thread(target=call, args=(id, params), daemon=True).start()
        case {"method": method, "id": id}:
            error = {"code": -32601, "message": f"no {method}"}
            os.write(1, (json.dumps({"jsonrpc": "2.0", "id": id, "error": error}) + "\n").encode())
        case _:
            pass
