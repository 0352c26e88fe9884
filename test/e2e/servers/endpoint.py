"""An HTTP endpoint that notes each request, and answers as its path says."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

from test.e2e.servers.loopback import LoopbackHandler, LoopbackServer

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

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        assert self._server is not None
        self._server.stop()

    def url(self, path: str) -> str:
        """The address of a path."""
        assert self._server is not None
        return f"{self._server.url}{path}"

    def wait_for_hit(self, *, timeout_seconds: float = 30.0) -> None:
        """Return when one more request has arrived.

        Raises:
            TimeoutError: None did.
        """
        if not self.arrived.acquire(timeout=timeout_seconds):
            raise TimeoutError(f"nobody called within {timeout_seconds:.0f} s")


class _Server(LoopbackServer):
    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(_Handler)
        self.endpoint = endpoint


class _Handler(LoopbackHandler):
    def get(self) -> None:
        path, _, query = self.path.partition("?")
        match path:
            case "/page":
                self.reply(200, b"<html><body><h1>Moon</h1><p>No capital here.</p></body></html>", "text/html")
            case "/robots.txt":
                self.reply(404, b"none", "text/plain")
            case "/forward":
                self._note(path, "")
                self.reply(302, b"", "text/plain", Location=query.removeprefix("to="))
            case _:
                self._work(path, query.removeprefix("text="))

    def post(self, body: bytes) -> None:
        asked: dict[str, Any] = json.loads(body or b"{}")
        self._work(self.path, str(asked.get("text", "")))

    def _work(self, path: str, text: str) -> None:
        endpoint = self._endpoint
        self._note(path, text)
        if path == "/hold":
            endpoint.gate.wait(HOLD_SECONDS)
        else:
            time.sleep(endpoint.delay_seconds)
        endpoint.finished.append((text, time.time()))
        status = 404 if path == "/refuse" else 200
        self.reply_json(status, {"did": text})

    def _note(self, path: str, text: str) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._endpoint.hits.append(Hit(time.time(), path, text, headers.get("idempotency-key", ""), headers))
        self._endpoint.arrived.release()

    @property
    def _endpoint(self) -> Endpoint:
        assert isinstance(self.server, _Server)
        return self.server.endpoint
