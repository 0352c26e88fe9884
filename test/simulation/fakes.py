"""The world outside of a simulated manager: its model and its tools. Each call is a W point and goes into the ledger.

Answers follow from what is asked alone, so that asking again changes nothing. Every process has faces of its own,
which end with it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from kubechain.api.message import Message, ToolCall, ToolCallFunction
from kubechain.controllers.toolkinds.mcp import KEY_META
from kubechain.llm.client import DEFAULT_CHECK_TIMEOUT_SECONDS, Accepted, Completion, Target, ToolDefinition, Verdict
from kubechain.llm.errors import AuthenticationFailed, Retryable, TimedOut
from kubechain.llm.fake import answer, calls
from kubechain.mcp import errors as mcp_errors
from kubechain.mcp.elicitation import Asked, FormAsked, Inputs, Item, UrlAsked
from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.link import Connector, Link, Observer, Page
from kubechain.mcp.model import CallResult, Limits, ServerKey, ServerSpec, ToolInfo
from kubechain.mcp.warden import Warden
from kubechain.net.addresses import AddressPolicy
from kubechain.tools.http import HttpExchanger, Reply, Request
from kubechain.tools.model import Uncertain
from test.simulation.invariants import Watchman
from test.simulation.outside import GONE, Outside
from test.simulation.points import Points, Process

Script = Callable[[Sequence[Message]], Completion]

SAFE = "safe"
"""Tools whose URL has this word may be repeated."""

ATTENDED_SECONDS = 55.0
"""How long an effect takes in which people act: longer than caches may be stale, shorter than every time-out."""

SLOW_SECONDS = 86_400.0
"""How long something takes for which nobody waits."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the faces of one process share.

    Attributes:
        outside: What the services do next.
        happening: Told of each side effect while it is going on; says whether somebody acts because of it.
    """

    process: Process
    points: Points
    watchman: Watchman
    chance: random.Random
    outside: Outside
    happening: Callable[[str], bool]

    async def take_time(self, most_seconds: float = 3.0) -> None:
        """Be a service on a network."""
        await asyncio.sleep(min(self.chance.choice((0.0, 0.01, 0.5, 3.0)), most_seconds))

    async def be_busy(self, label: str) -> None:
        """Be at work; where people act meanwhile, for long enough that every cache hears of it."""
        if self.happening(label):
            await asyncio.sleep(ATTENDED_SECONDS)
        if label.startswith(self.outside.slow):
            await asyncio.sleep(SLOW_SECONDS)
        await self.take_time()

    def check_key(self, target: Target) -> None:
        """Be a provider that knows whose key it is."""
        if target.api_key is None or target.api_key.get_secret_value() in self.outside.refused_keys:
            raise AuthenticationFailed("model: 401: key refused")


class Model:
    """A provider client that follows the scenario's script."""

    def __init__(self, around: Surroundings, script: Script) -> None:
        """Make the face of one process."""
        self._around = around
        self._script = script

    async def complete(
        self,
        target: Target,
        messages: Sequence[Message],
        tools: Sequence[ToolDefinition] = (),
        *,
        timeout_seconds: float,
        output_schema: Mapping[str, Any] | None = None,
    ) -> Completion:
        """Answer by the script."""
        del tools, output_schema
        around, label = self._around, f"model {_topic(messages)}/{len(messages)}"

        async def act() -> Completion:
            around.check_key(target)
            around.watchman.on_model_call(label, messages, process=around.process.name, llm=target.model)
            try:
                async with asyncio.timeout(timeout_seconds):
                    await around.be_busy(label)
            except TimeoutError:
                raise _model_lost() from None
            if error := around.outside.hiccup(label, target.model):
                around.watchman.on_model_refusal(label, messages, error, llm=target.model)
                raise error
            return self._script(messages)

        try:
            return await around.points.passing(around.process, label, act, lost=_model_lost)
        except Retryable as error:
            around.watchman.on_model_trouble(error.retry_after_seconds, process=around.process.name, llm=target.model)
            raise

    async def check(
        self, target: Target, *, is_billed: bool = False, timeout_seconds: float = DEFAULT_CHECK_TIMEOUT_SECONDS
    ) -> Verdict:
        """Free of charge and of consequences: no W point."""
        del is_billed, timeout_seconds
        await self._around.take_time()
        if self._around.process.is_dead:
            await self._around.process.gone()
        self._around.check_key(target)
        return Accepted()

    async def aclose(self) -> None:
        """Nothing to close."""


def _model_lost() -> Exception:
    return TimedOut("model: timed out")


def _topic(messages: Sequence[Message]) -> str:
    return next((message.content for message in messages if message.role == "user"), "").partition(" ")[0]


Answer = Callable[[Mapping[str, Any]], str]

BROKEN = "HTTP 500"
"""An answer that stands for an error of the tool itself."""


class Network(HttpExchanger):
    """HTTP endpoints on a network that exists nowhere."""

    def __init__(self, around: Surroundings, answers: Mapping[str, Answer]) -> None:
        """Make the face of one process.

        Args:
            answers: What each endpoint says to its arguments, by the last word of its path.
        """
        super().__init__(AddressPolicy())
        self._around = around
        self._answers = answers

    def check_address(self, url: httpx2.URL) -> None:
        """Every address is good."""

    async def exchange(self, request: Request, *, max_bytes: int, deadline: float) -> Reply:
        """Carry a call out, once for each time that it is asked."""
        name = request.url.path.rpartition("/")[2]
        arguments: dict[str, Any] = json.loads(request.body or b"{}")
        around, label = self._around, f"tool {name} {json.dumps(arguments, sort_keys=True)}"

        async def act() -> Reply:
            key, is_unsafe = request.headers.get("Idempotency-Key", ""), SAFE not in request.url.path
            around.watchman.on_execution(label, key, process=around.process.name, is_unsafe=is_unsafe)
            try:
                async with asyncio.timeout_at(deadline):
                    await around.be_busy(label)
            except TimeoutError:
                raise _tool_lost() from None
            body = self._answers[name](arguments).encode()
            status = 500 if body == BROKEN.encode() else 200
            return Reply(status, {"content-type": "text/plain"}, body[:max_bytes], is_cut=len(body) > max_bytes)

        return await around.points.passing(around.process, label, act, lost=_tool_lost)


def _tool_lost() -> Exception:
    return Uncertain("timed out: no whole answer in time")


MCP_TOOLS = (
    ToolInfo("lookup", "Looks something up.", {"type": "object", "properties": {}}, read_only=True, idempotent=True),
    ToolInfo("order", "Orders something.", {"type": "object", "properties": {}}),
)


_SIZE: dict[str, Any] = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}

QUESTIONS: Mapping[str, Asked] = {
    "form": FormAsked("size", "Which size?", _SIZE),
    "page": UrlAsked("page", "Pay, please.", "https://pay.example.com/"),
}
"""What a server asks for whose URL says so."""


LIST_SECONDS = 1.0
"""With the connection before it less than what a start may take before the status tells of it."""


class _Link:
    """A connection to an MCP server with two tools."""

    def __init__(self, around: Surroundings, *, may_repeat: frozenset[str], questions: Sequence[str] = ()) -> None:
        self._around = around
        self._questions = questions
        self._may_repeat = may_repeat
        self._era = around.outside.hung_up

    async def list_tools(self, cursor: str | None) -> Page:
        del cursor
        await self._around.take_time(LIST_SECONDS)
        if self._is_cut():
            raise ConnectFailure(GONE)
        return Page(MCP_TOOLS)

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any],
        inputs: Inputs | None = None,
        may_hold: bool = False,
    ) -> CallResult | Inputs:
        around, label = self._around, f"mcp {tool} {json.dumps(dict(arguments), sort_keys=True)}"

        async def act() -> CallResult | Inputs:
            if self._is_cut():
                raise mcp_errors.NotSent("not connected")
            key, is_unsafe = str(meta.get(KEY_META, "")), tool not in self._may_repeat
            around.watchman.on_execution(label, key, process=around.process.name, is_unsafe=is_unsafe)
            await around.be_busy(label)
            if self._is_cut():
                raise _mcp_lost()
            return self._asked(inputs) if self._questions else CallResult(f"{tool}: as you wish")

        return await around.points.passing(around.process, label, act, lost=_mcp_lost)

    def _asked(self, inputs: Inputs | None) -> CallResult | Inputs:
        """Ask the next question; everything that was replied comes back in the state."""
        told = (inputs.state or "lost") if inputs is not None else ""
        for item in inputs.items if inputs is not None else ():
            told += f" {item.reply and (item.reply.action, item.reply.content)}"
        number = told.count("(")
        if number < len(self._questions):
            return Inputs((Item(QUESTIONS[self._questions[number]]),), f"state{told}")
        return CallResult(f"order: {told}")

    def _is_cut(self) -> bool:
        return self._era != self._around.outside.hung_up


def _mcp_lost() -> Exception:
    return mcp_errors.ConnectionLost("connection lost")


def connector(around: Surroundings) -> Connector:
    """Connections to MCP servers that exist nowhere. The server's URL says whether people believe it, or list tools."""

    @asynccontextmanager
    async def connect(
        key: ServerKey, spec: ServerSpec, *, limits: Limits, warden: Warden, observer: Observer
    ) -> AsyncGenerator[Link]:
        del key, limits, warden
        await around.take_time()
        if around.outside.is_mcp_down:
            raise ConnectFailure(GONE)
        around.outside.connected(observer.ended)
        is_declared = any(word in spec.url for word in ("trusted", "listed"))
        words = spec.url.rpartition("/")[2].split("-")
        questions = words[1:] if words[0] == "asks" else ()
        yield _Link(around, may_repeat=frozenset({"lookup"} if is_declared else ()), questions=questions)

    return connect


def says(text: str) -> Script:
    """A model that always says the same."""
    return lambda messages: answer(text)


def asks(*turns: Sequence[tuple[str, str]], then: str = "Done.") -> Script:
    """A model that asks for tools turn by turn, and then answers with what the last tools said.

    Args:
        turns: For each turn the tools and their arguments as JSON.
    """

    def script(messages: Sequence[Message]) -> Completion:
        turn = sum(bool(message.tool_calls) for message in messages)
        if turn >= len(turns):
            return answer(then)
        wanted = [
            ToolCall(id=f"call_{turn}_{place}", function=ToolCallFunction(name=name, arguments=arguments))
            for place, (name, arguments) in enumerate(turns[turn])
        ]
        return calls(*wanted)

    return script
