"""A model that a test directs: it answers, waits, refuses or talks nonsense as it is told.

It speaks the openai-chat dialect over loopback from its own thread, because the tests drive kubectl and block. Each
model id has its own script, and each test its own model id, so that tests do not disturb each other. Speed and realism
are for the mocks of the benches; they must not go here.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

from test.e2e.servers.loopback import JSON, LoopbackHandler, LoopbackServer

ANSWER = "The moon has no capital."
HOLD_SECONDS = 120.0
"""No answer is held longer, so that a failed test cannot hang the session."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request for a completion, as it arrived."""

    key: str
    body: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.body["messages"]

    @property
    def tools(self) -> list[str]:
        """Names of the tools that were offered."""
        return [tool["function"]["name"] for tool in self.body.get("tools", [])]

    @property
    def results(self) -> dict[str, str]:
        """What the tools answered so far, by call id."""
        return {one["tool_call_id"]: one["content"] for one in self.messages if one["role"] == "tool"}


@dataclass(frozen=True, slots=True)
class Failure:
    """A reply that is no completion."""

    status: int
    message: str = "broken on purpose"
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """One tool call that the model asks for.

    Attributes:
        name: Of the tool, as it was offered.
        arguments: A mapping becomes JSON; a text is sent as it is, sense or nonsense.
        id: None makes one that is different within the answer.
    """

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict[str, Any])
    id: str | None = None

    def wire(self, number: int) -> dict[str, Any]:
        """The call in the words of openai-chat."""
        arguments = self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)
        function = {"name": self.name, "arguments": arguments}
        return {"id": f"call_{number}" if self.id is None else self.id, "type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class Asks:
    """An answer that asks for tool calls, side by side."""

    calls: tuple[Ask, ...]
    content: str | None = None


Answer = str | Failure | Asks


def asks(*calls: Ask, content: str | None = None) -> Asks:
    """An answer that asks for these calls."""
    return Asks(calls, content)


@dataclass(slots=True)
class Script:
    """What one model id does.

    Attributes:
        answers: Taken from the front, one a call; when none is left, `ANSWER` is given.
        respond: Makes the answer from the call instead, for conversations that go on side by side.
        keys: The API keys that are accepted; None accepts any that does not begin with `wrong`.
        exists: Whether the provider knows the model.
        usage: Tokens that each answer tells, in and out.
        calls: Every request for a completion so far.
    """

    answers: list[Answer] = field(default_factory=list[Answer])
    respond: Callable[[Call], Answer] | None = None
    keys: frozenset[str] | None = None
    exists: bool = True
    usage: tuple[int, int] = (20, 5)
    calls: list[Call] = field(default_factory=list[Call])
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    gate: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def held(self) -> Generator[Self]:
        """Keep every call waiting until the block ends."""
        self.gate.clear()
        try:
            yield self
        finally:
            self.gate.set()

    def answer(self, call: Call) -> Answer:
        """What to say to that call."""
        if self.respond is not None:
            return self.respond(call)
        return self.answers.pop(0) if self.answers else ANSWER

    def wait_for_call(self, *, timeout_seconds: float = 30.0) -> None:
        """Return when one more call has arrived.

        Raises:
            TimeoutError: None did.
        """
        if not self.arrived.acquire(timeout=timeout_seconds):
            raise TimeoutError(f"the model was not called within {timeout_seconds:.0f} s")


class MockModel:
    """The provider: all model ids behind one address."""

    def __init__(self, listening: socket.socket | None = None) -> None:
        """Prepare; a socket that listens already is served in place of one on loopback."""
        self._server = _Server(listening)

    @property
    def base_url(self) -> str:
        """For `spec.parameters.baseUrl`."""
        return f"{self._server.url}/v1"

    def __getitem__(self, model: str) -> Script:
        return self._server.script(model)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for script in list(self._server.scripts.values()):
            script.gate.set()
        self._server.stop()


def _open_script() -> Script:
    script = Script()
    script.gate.set()
    return script


class _Server(LoopbackServer):
    def __init__(self, listening: socket.socket | None) -> None:
        super().__init__(_Handler, listening)
        self.scripts: dict[str, Script] = {}
        self._lock = threading.Lock()

    def script(self, model: str) -> Script:
        """The script of a model; a test and a request may ask for it first at the same time."""
        with self._lock:
            return self.scripts.setdefault(model, _open_script())


class _Handler(LoopbackHandler):
    def get(self) -> None:
        model = unquote(self.path.rpartition("/")[2])
        script = self._script(model)
        if refusal := self._refusal(script, model):
            self._fail(refusal)
        else:
            self.reply_json(200, {"id": model, "object": "model"})

    def post(self, body: bytes) -> None:
        asked: dict[str, Any] = json.loads(body)
        script = self._script(asked["model"])
        if refusal := self._refusal(script, asked["model"]):
            self._fail(refusal)
            return
        call = Call(self._key(), asked)
        script.calls.append(call)
        script.arrived.release()
        script.gate.wait(HOLD_SECONDS)
        match script.answer(call):
            case Failure() as failure:
                self._fail(failure)
            case answer:
                self.reply(200, _completion(asked["model"], answer, script.usage), JSON)

    def _script(self, model: str) -> Script:
        assert isinstance(self.server, _Server)
        return self.server.script(model)

    def _key(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _refusal(self, script: Script, model: str) -> Failure | None:
        is_known = self._key() in script.keys if script.keys is not None else not self._key().startswith("wrong")
        if not is_known:
            return Failure(401, "Incorrect API key provided")
        if not script.exists:
            return Failure(404, f"The model `{model}` does not exist")
        return None

    def _fail(self, failure: Failure) -> None:
        error = {"error": {"message": failure.message, "type": "error", "code": None}}
        self.reply(failure.status, json.dumps(error).encode() if failure.raw is None else failure.raw, JSON)


def _completion(model: str, answer: str | Asks, tokens: tuple[int, int]) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": answer}
    reason = "stop"
    if isinstance(answer, Asks):
        tool_calls = [call.wire(number) for number, call in enumerate(answer.calls)]
        message, reason = {"role": "assistant", "content": answer.content, "tool_calls": tool_calls}, "tool_calls"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    return json.dumps(
        {"id": "chatcmpl-1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}
    ).encode()
