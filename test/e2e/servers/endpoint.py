"""An HTTP endpoint that notes each request, and answers as its path says."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

HOLD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Hit:
    """One request that arrived.

    Attributes:
        at: `time.time()` of its arrival.
        text: The argument by which tests tell calls apart.
        key: The idempotency key that came with it.
    """

    at: float
    path: str
    text: str
    key: str
    headers: dict[str, str]


@dataclass(slots=True)
class Endpoint:
    """An HTTP server on loopback.

    `/pay` and `/look` take `delay_seconds` and answer with the text; `/refuse` answers 404; `/forward?to=…` redirects;
    `/page` is a page for people; `/hold` answers when the test lets it.

    Attributes:
        delay_seconds: How long a call takes.
        hits: Every request so far.
        finished: Texts of the requests that were answered, with the time.
    """

    delay_seconds: float = 0.0
    hits: list[Hit] = field(default_factory=list[Hit])
    finished: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    gate: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _server: _Server | None = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, name="endpoint")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str) -> str:
        """The address of a path."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def wait_for_hit(self, *, timeout_seconds: float = 30.0) -> None:
        """Return when one more request has arrived.

        Raises:
            TimeoutError: None did.
        """
        if not self.arrived.acquire(timeout=timeout_seconds):
            raise TimeoutError(f"nobody called within {timeout_seconds:.0f} s")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = endpoint

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed says no good-bye; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionResetError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        match path:
            case "/page":
                self._reply(200, b"<html><body><h1>Moon</h1><p>No capital here.</p></body></html>", "text/html")
            case "/robots.txt":
                self._reply(404, b"none", "text/plain")
            case "/forward":
                self._note(path, "")
                self._reply(302, b"", "text/plain", Location=query.removeprefix("to="))
            case _:
                self._work(path, query.removeprefix("text="))

    def do_POST(self) -> None:
        expected_bytes = int(self.headers.get("Content-Length", 0))
        content = self.rfile.read(expected_bytes)
        if len(content) < expected_bytes:
            # The caller was killed after the head of its request. A server acts on whole requests only.
            self.close_connection = True
            return
        body: dict[str, Any] = json.loads(content or b"{}")
        self._work(self.path, str(body.get("text", "")))

    def _work(self, path: str, text: str) -> None:
        endpoint = self._endpoint
        self._note(path, text)
        if path == "/hold":
            endpoint.gate.wait(HOLD_SECONDS)
        else:
            time.sleep(endpoint.delay_seconds)
        endpoint.finished.append((text, time.time()))
        status = 404 if path == "/refuse" else 200
        self._reply(status, json.dumps({"did": text}).encode(), "application/json")

    def _note(self, path: str, text: str) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._endpoint.hits.append(Hit(time.time(), path, text, headers.get("idempotency-key", ""), headers))
        self._endpoint.arrived.release()

    @property
    def _endpoint(self) -> Endpoint:
        assert isinstance(self.server, _Server)
        return self.server.endpoint

    def _reply(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
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
