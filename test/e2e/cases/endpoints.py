"""A model server that misbehaves at its endpoints: each scene has a base URL of its own below one address.

What models answer is not its subject; see `answering` for that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from test.e2e.servers.loopback import LoopbackHandler, LoopbackServer

GOOD_KEY = "test-key-not-a-secret"
WELCOME = b"<!doctype html><html><head><title>Welcome</title></head><body>Hello</body></html>"
NOT_FOUND = (404, {"detail": "Not Found"})
MODEL = (200, {"id": "m", "object": "model"})
ANSWER: dict[str, Any] = {
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3},
}

Reply = tuple[int, Any]


def error(message: str, code: str | int | None = None, **more: Any) -> dict[str, Any]:
    """An error as OpenAI words it."""
    return {"error": {"message": message, "code": code, "type": "error", **more}}


@dataclass(slots=True)
class Scene:
    """What is answered below one base URL; the last of `chat` repeats.

    Attributes:
        model: To the request for the model's description.
        models: To the request for the list.
        chat: To calls, one after the other.
        headers: Of every reply to a call.
        is_strict: Whether another key than `GOOD_KEY` is refused.
    """

    model: Reply = MODEL
    models: Reply = NOT_FOUND
    chat: tuple[Reply, ...] = ((200, ANSWER),)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_strict: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class Endpoints:
    """All scenes behind one loopback address."""

    def __init__(self, scenes: Mapping[str, Scene]) -> None:
        self.scenes = scenes
        self._server = _Server(scenes)

    @property
    def port(self) -> int:
        return self._server.server_port

    def base_url(self, scene: str) -> str:
        """For `spec.parameters.baseUrl`."""
        return f"{self._server.url}/{scene}/v1"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


class _Server(LoopbackServer):
    def __init__(self, scenes: Mapping[str, Scene]) -> None:
        super().__init__(_Handler)
        self.scenes = scenes


class _Handler(LoopbackHandler):
    def get(self) -> None:
        name, _, path = self.path.removeprefix("/").partition("/v1/")
        scene = self._scenes.get(name)
        if scene is None or path == "chat/completions":
            self._reply(NOT_FOUND)
        elif scene.is_strict and self.headers["Authorization"] != f"Bearer {GOOD_KEY}":
            self._reply((401, error("Incorrect API key provided")))
        else:
            self._reply(scene.models if path == "models" else scene.model)

    def post(self, body: bytes) -> None:
        call: dict[str, Any] = json.loads(body)
        name, _, path = self.path.removeprefix("/").partition("/v1/")
        scene = self._scenes.get(name)
        if scene is None or path != "chat/completions":
            self._reply(NOT_FOUND)
            return
        scene.calls.append(call)
        self._reply(scene.chat[min(len(scene.calls), len(scene.chat)) - 1], scene.headers)

    @property
    def _scenes(self) -> Mapping[str, Scene]:
        assert isinstance(self.server, _Server)
        return self.server.scenes

    def _reply(self, reply: Reply, headers: Mapping[str, str] | None = None) -> None:
        status, content = reply
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
