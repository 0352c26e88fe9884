"""Models that sign their turns, as one server on loopback, and refuse a conversation that does not bring them back.

A model looks at each turn of a request. What it wrote itself must be there byte for byte, in its place; what another
model wrote must be without that one's signatures. Anything else is an HTTP 400, and noted.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

from test.e2e.servers.loopback import LoopbackHandler, LoopbackServer
from test.e2e.servers.signed_formats import Format, Gemini, Messages, Responses, Said, Turn
from test.e2e.servers.signed_streams import stream

HOLD_SECONDS = 90.0
"""No answer is held longer, so that a failed test cannot hang the session."""

CALLS = (1, 2)
"""How many calls each turn asks for; the turns after these give an answer."""

OPERATIONS = (":generateContent", ":streamGenerateContent", "/responses", "/messages")
"""How the paths of model calls end. Probes by other paths learn that there is nothing."""

FORMATS: dict[str, Format] = {"google": Gemini(), "openai": Responses(), "anthropic": Messages()}
"""By the provider whose format it is."""


@dataclass(slots=True)
class Model:
    """One model of a provider.

    Attributes:
        name: Of the model; its hash stands in what the model writes.
        provider: Whose format it has.
        calls: How many calls each of the first turns asks for.
        signature_bytes: About so long is each signature.
        streamed: The number of each turn that was answered by a stream, from 0.
        down_at: Turns, from 0, at which the provider is overloaded. A run leaves such a model, which stays ready.
        refusals: What was wrong with each request that was refused with 400.
        answered: The number of each turn that was answered, from 0.
        arrived: Released by each request that was admitted.
        gate: What requests that arrive now wait for.
    """

    name: str
    provider: str
    format: Format
    calls: Sequence[int] = CALLS
    signature_bytes: int = 0
    down_at: frozenset[int] = frozenset()
    refusals: list[str] = field(default_factory=list[str])
    answered: list[int] = field(default_factory=list[int])
    streamed: list[int] = field(default_factory=list[int])
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def mark(self) -> str:
        """What stands in all that the model writes."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:10]

    def said(self, number: int) -> Said:
        """What the model answers as the turn with that number."""
        calls = self.calls[number] if number < len(self.calls) else 0
        return Said(f"{self.mark}-{number}", calls, self.signature_bytes)

    def problem(self, turns: Sequence[Turn]) -> str | None:
        """What is wrong with the turns of a request; None where nothing is."""
        for number, turn in enumerate(turns):
            if self.mark not in json.dumps(turn):
                found = self.format.foreign(turn)
            else:
                written = self.format.written(self.said(number))
                found = None if turn == written else f"turn {number} is not as it was: {turn}, not {written}"
            if found:
                return found
        return None

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer a request, or refuse it."""
        turns = self.format.turns(body)
        if problem := self.problem(turns):
            self.refusals.append(problem)
            return 400, self.format.refusal(problem)
        if len(turns) in self.down_at:
            return 503, {"error": {"message": "overloaded", "type": "error", "code": None}}
        gate = self.gate
        self.arrived.release()
        gate.wait(HOLD_SECONDS)
        self.answered.append(len(turns))
        return 200, {"model": self.name, **self.format.reply(self.said(len(turns)))}

    def hold(self) -> None:
        """Let the requests that arrive from now on wait."""
        self.gate = threading.Event()

    def let_pass(self) -> None:
        """Answer the requests that wait; those that arrive from now on wait again."""
        gate = self.gate
        self.hold()
        gate.set()

    def wait_for_call(self, *, timeout_seconds: float = 60.0) -> None:
        """Return when one more request has been admitted.

        Raises:
            TimeoutError: None was.
        """
        if not self.arrived.acquire(timeout=timeout_seconds):
            raise TimeoutError(f"the model was not called within {timeout_seconds:.0f} s: {self.refusals}")


class Signer:
    """The server; its models are made by the test."""

    def __init__(self) -> None:
        """Prepare."""
        self._server = _Server()

    @property
    def url(self) -> str:
        """The address, without a path."""
        return self._server.url

    def model(self, provider: str, name: str) -> Model:
        """Make a model."""
        model = Model(name, provider, FORMATS[provider])
        model.gate.set()
        self._server.models[name] = model
        return model

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for model in self._server.models.values():
            model.gate.set()
        self._server.stop()


class _Server(LoopbackServer):
    def __init__(self) -> None:
        super().__init__(_Handler)
        self.models: dict[str, Model] = {}


class _Handler(LoopbackHandler):
    def get(self) -> None:
        """A model as its provider describes it."""
        name = unquote(self.path.partition("/models/")[2])
        known = name in self._models
        self.reply_json(
            200 if known else 404, {"id": name, "name": f"models/{name}", "object": "model", "type": "model"}
        )

    def post(self, body: bytes) -> None:
        """A model call."""
        path = self.path.partition("?")[0]
        if not path.endswith(OPERATIONS):
            self.reply_json(404, {"error": {"message": f"no such path: {self.path}"}})
            return
        asked: dict[str, Any] = json.loads(body)
        if asked.keys().isdisjoint({"contents", "input", "messages"}):
            self.reply_json(400, {"error": {"message": "no conversation"}})  # a free check asks with an empty body
            return
        name = asked.get("model") or unquote(path.partition("/models/")[2]).partition(":")[0]
        model, is_stream = self._models[name], asked.get("stream", ":stream" in path)
        status, said = model.answer(asked)
        if status != 200 or not is_stream:
            self.reply_json(status, said)
            return
        model.streamed.append(model.answered[-1])
        self.reply(200, stream(model.provider, said), "text/event-stream")

    @property
    def _models(self) -> dict[str, Model]:
        assert isinstance(self.server, _Server)
        return self.server.models
