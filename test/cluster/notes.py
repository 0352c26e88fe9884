"""An MCP server over HTTP at an address that Pods reach; it counts what it is asked to note."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from typing import Any

from test.e2e.servers.loopback import LoopbackHandler, LoopbackServer

CALL_SECONDS = 2.0
"""A call takes that long, so that some are under way whenever a manager goes."""

_NOTE = {
    "name": "note",
    "description": "Write something down, taking some time over it.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}


class Notes(LoopbackServer):
    """The server.

    Attributes:
        begun: How often each text was to be noted.
    """

    def __init__(self, listening: socket.socket) -> None:
        """Prepare to serve on a socket that listens already."""
        super().__init__(_Handler, listening)
        self.begun = Counter[str]()
        self._lock = threading.Lock()

    def note(self, text: str) -> None:
        """Count it, and take some time."""
        with self._lock:
            self.begun[text] += 1
        time.sleep(CALL_SECONDS)


class _Handler(LoopbackHandler):
    def post(self, body: bytes) -> None:
        match json.loads(body):
            case {"method": "initialize", "id": id, "params": {"protocolVersion": version}}:
                about = {"name": "notes", "version": "1"}
                self._say(id, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about})
            case {"method": "tools/list", "id": id}:
                self._say(id, {"tools": [_NOTE]})
            case {"method": "tools/call", "id": id, "params": {"arguments": {"text": text}}}:
                assert isinstance(self.server, Notes)
                self.server.note(text)
                self._say(id, {"content": [{"type": "text", "text": f"noted: {text}"}]})
            case {"method": method, "id": id}:
                error = {"code": -32601, "message": f"no {method}"}
                self.reply_json(200, {"jsonrpc": "2.0", "id": id, "error": error})
            case _:
                self.reply(202, b"", "text/plain")

    def _say(self, id: Any, result: dict[str, Any]) -> None:
        self.reply_json(200, {"jsonrpc": "2.0", "id": id, "result": result})
