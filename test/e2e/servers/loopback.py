"""The life of an HTTP server of a test: on loopback, in a thread of its own, and what its handlers have in common."""

from __future__ import annotations

import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class LoopbackServer(ThreadingHTTPServer):
    """Serves from `start` to `stop`."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handler: type[BaseHTTPRequestHandler], listening: socket.socket | None = None) -> None:
        """Listen.

        Args:
            handler: Answers requests.
            listening: A socket that listens already, in place of one on loopback.
        """
        super().__init__(("127.0.0.1", 0), handler, bind_and_activate=listening is None)
        if listening is not None:
            self.socket.close()
            self.socket = listening
        self._thread = threading.Thread(target=self.serve_forever, name=handler.__module__)

    @property
    def url(self) -> str:
        """The address, without a path."""
        host, port = self.socket.getsockname()
        return f"http://{host}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more, and wait for the thread."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """Begin to answer, until the block ends."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed says no good-bye; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionResetError):
            super().handle_error(request, client_address)


JSON = "application/json"


class LoopbackHandler(BaseHTTPRequestHandler):
    """Hands whole requests on, and replies to callers that may be gone."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request without a body."""
        self.get()

    def do_POST(self) -> None:
        """Answer a whole request; of a caller that was killed while it spoke there is only a part."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
        else:
            self.post(body)

    def get(self) -> None:
        """Answer a GET."""
        self.reply(404, b"", "text/plain")

    def post(self, body: bytes) -> None:
        """Answer a POST."""
        raise NotImplementedError

    def reply_json(self, status: int, said: object) -> None:
        """Reply with an object."""
        self.reply(status, json.dumps(said).encode(), JSON)

    def reply(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        """Reply; a manager that was killed while it waited hears nothing."""
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the test says what it misses."""
