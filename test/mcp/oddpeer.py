"""A server over HTTP in this process, whose paths behave as servers, proxies and gateways in use were seen to do."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from test.mcp.servers import oddities

METADATA = "https://mcp.example/.well-known/oauth-protected-resource"
PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>...</body></html>"

Object = dict[str, Any]


class OddPeer(ThreadingHTTPServer):
    """What it was asked, and what it must forget.

    Attributes:
        calls: Names of the tools that were executed, in order.
        sessions: Sessions that it knows; clear it, and every session is unknown.
    """

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a port of loopback."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: list[str] = []
        self.sessions: set[str] = set()

    def url(self, path: str) -> str:
        """The address of a way to behave."""
        return f"http://127.0.0.1:{self.server_port}/{path}"


@contextlib.contextmanager
def odd_peer() -> Generator[OddPeer]:
    """A peer that serves until the end of the block."""
    with OddPeer() as peer:
        thread = threading.Thread(target=peer.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield peer
        finally:
            peer.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""

    def reply(self, status: int, body: bytes = b"", kind: str = "", **headers: str) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Open an event stream, or not."""
        match self.path.split("/")[1]:
            case "elsewhere":
                self.reply(200, b"event: endpoint\ndata: http://10.1.2.3:8080/messages\n\n", "text/event-stream")
            case "html":
                self.reply(200, PAGE, "text/html")
            case "401":
                self.unauthorized()
            case _:
                self.reply(405)

    def do_DELETE(self) -> None:
        """End a session."""
        self.reply(405)

    def do_POST(self) -> None:
        """Take a message."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self.path.split("/")[1]:
            case "307" | "308" as status if not self.path.endswith("/"):
                self.reply(int(status), Location=f"{self.path}/")
            case "away":
                self.reply(308, Location="https://mcp.example/mcp?key=s3cr3t")
            case "401":
                self.unauthorized()
            case "403":
                self.reply(403, b'{"error":"insufficient_scope","error_description":"No licence."}', "application/json")
            case "html":
                self.reply(200, PAGE, "text/html")
            case "gzip":
                self.reply(200, gzip.compress(b"{}"), "application/json", Content_Encoding="gzip")
            case "sse":
                self.reply(405)
            case "502":
                self.reply(502, PAGE, "text/html")
            case "session" if message["method"] != "initialize" and not self.knows_session():
                error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}
                self.reply(400, json.dumps({"jsonrpc": "2.0", "error": error, "id": None}).encode(), "application/json")
            case _:
                self.serve(message)

    def unauthorized(self) -> None:
        challenge = f'Bearer error="invalid_token", resource_metadata="{METADATA}"'
        self.reply(401, b"", WWW_Authenticate=challenge)

    @property
    def peer(self) -> OddPeer:
        assert isinstance(self.server, OddPeer)
        return self.server

    def knows_session(self) -> bool:
        return self.headers.get("Mcp-Session-Id", "") in self.peer.sessions

    def serve(self, message: Object) -> None:
        headers: dict[str, str] = {}
        match message:
            case {"method": "initialize", "id": id}:
                result: Any = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "odd", "version": "1"},
                }
                session = f"s{len(self.peer.sessions)}-{self.peer.server_port}"
                self.peer.sessions.add(session)
                headers["Mcp_Session_Id"] = session
            case {"method": "tools/list", "id": id}:
                result = {"tools": oddities.every_tool()}
            case {"method": "tools/call", "id": id, "params": {"name": name}}:
                self.peer.calls.append(name)
                result = oddities.answer(name)
            case {"id": id}:
                error = {"code": -32601, "message": "unknown method"}
                self.reply(200, json.dumps({"jsonrpc": "2.0", "id": id, "error": error}).encode(), "application/json")
                return
            case _:
                self.reply(202)
                return
        answer = json.dumps({"jsonrpc": "2.0", "id": id, "result": result})
        if "/events" in self.path:
            self.reply(200, f"event: message\ndata: {answer}\n\n".encode(), "text/event-stream", **headers)
        else:
            self.reply(200, answer.encode(), "application/json", **headers)
