"""The HTTP server in front of the engine: requests that offer tools are rewritten, everything else passes unchanged.

Both APIs that the engine speaks are served: chat completions, and the Messages API of Anthropic.
"""

from __future__ import annotations

import json
import threading
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from kubechain.localmodel import messages, toolcalls
from kubechain.localmodel.errors import LocalModelError

CHAT_PATH = "/v1/chat/completions"
MESSAGES_PATH = "/v1/messages"
JSON_TYPE = "application/json"
EVENTS_TYPE = "text/event-stream"

ENGINE_TIMEOUT_SECONDS = 600.0
"""Longer than any answer of a small model takes; a client ends its own request sooner."""


class Front(ThreadingHTTPServer):
    """Serves on loopback, in threads of its own."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, engine_port: int) -> None:
        """Listen, and serve from now on.

        Raises:
            LocalModelError: The port is taken.
        """
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise LocalModelError(f"the model does not start on port {port}: {error.strerror}") from error
        self.engine_port = engine_port
        threading.Thread(target=self.serve_forever, name="front", daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left while the model was answering is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._send(*self._ask("GET", b""))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        content = self.rfile.read(length)
        if len(content) < length:
            self.close_connection = True
            return
        if self.path == CHAT_PATH:
            self._send(*self._chat(content))
        elif self.path == MESSAGES_PATH:
            self._send(*self._messages(content))
        else:
            self._send(*self._ask("POST", content))

    def _messages(self, content: bytes) -> tuple[int, str, bytes]:
        try:
            request = json.loads(content)
            chat = json.dumps(messages.as_chat(request)).encode() if messages.needs_schema(request) else None
            is_stream = bool(request.pop("stream", False))
        except (AttributeError, LookupError, TypeError, ValueError):
            return self._ask("POST", content)  # The engine says what is wrong with it.
        status, content_type, reply = self._chat(chat) if chat else self._ask("POST", json.dumps(request).encode())
        if status != 200:
            return status, content_type, reply
        message = messages.from_chat(json.loads(reply)) if chat else json.loads(reply)
        if is_stream:
            return status, EVENTS_TYPE, messages.as_events(message)
        return status, content_type, json.dumps(message).encode()

    def _chat(self, content: bytes) -> tuple[int, str, bytes]:
        try:
            request = json.loads(content)
            functions = toolcalls.offered(request)
            body = json.dumps(toolcalls.for_engine(request, functions)).encode()
        except (AttributeError, LookupError, TypeError, ValueError):
            return self._ask("POST", content, CHAT_PATH)  # The engine says what is wrong with it.
        status, content_type, reply = self._ask("POST", body, CHAT_PATH)
        if not functions:
            return status, content_type, reply
        if status != 200:  # The engine does not take every schema: then the model answers in words.
            return self._ask("POST", json.dumps(toolcalls.for_engine(request, ())).encode(), CHAT_PATH)
        return status, content_type, json.dumps(toolcalls.with_call(json.loads(reply))).encode()

    def _ask(self, method: str, content: bytes, path: str | None = None) -> tuple[int, str, bytes]:
        """Send a request to the engine, to the same path if no other is given; return status, media type and body."""
        engine_port = cast("Front", self.server).engine_port
        connection = HTTPConnection("127.0.0.1", engine_port, timeout=ENGINE_TIMEOUT_SECONDS)
        try:
            connection.request(method, path or self.path, content or None, {"Content-Type": JSON_TYPE})
            reply = connection.getresponse()
            return reply.status, reply.headers.get("Content-Type", JSON_TYPE), reply.read()
        except (OSError, HTTPException) as error:
            return 502, JSON_TYPE, json.dumps({"error": {"message": f"the engine failed: {error}"}}).encode()
        finally:
            connection.close()

    def _send(self, status: int, content_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the parent reads one line only."""
