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
from kubechain.controllers.toolcall.executors import KEY_META
from kubechain.llm.client import DEFAULT_CHECK_TIMEOUT_SECONDS, Completion, Target, ToolDefinition
from kubechain.llm.errors import AuthenticationFailed, TimedOut
from kubechain.llm.fake import answer, calls
from kubechain.mcp import errors as mcp_errors
from kubechain.mcp.link import Connector, Link, Observer, Page
from kubechain.mcp.model import CallResult, Limits, ServerKey, ServerSpec, ToolInfo
from kubechain.mcp.warden import Warden
from kubechain.tools.addresses import AddressPolicy
from kubechain.tools.http import HttpExchanger, Reply, Request
from kubechain.tools.model import Uncertain
from test.simulation.invariants import Watchman
from test.simulation.points import Points, Process

Script = Callable[[Sequence[Message]], Completion]

SAFE = "safe"
"""Tools whose URL has this word may be repeated."""

ATTENDED_SECONDS = 55.0
"""How long an effect takes in which people act: longer than caches may be stale, shorter than every time-out."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the faces of one process share.

    Attributes:
        happening: Told of each side effect while it is going on; says whether somebody acts because of it.
        is_valid: Whether the provider takes a key.
    """

    process: Process
    points: Points
    watchman: Watchman
    chance: random.Random
    happening: Callable[[str], bool]
    is_valid: Callable[[str], bool]

    async def take_time(self) -> None:
        """Be a service on a network."""
        await asyncio.sleep(self.chance.choice((0.0, 0.01, 0.5, 3.0)))

    async def be_busy(self, label: str) -> None:
        """Be at work; where people act meanwhile, for long enough that every cache hears of it."""
        if self.happening(label):
            await asyncio.sleep(ATTENDED_SECONDS)
        await self.take_time()


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
    ) -> Completion:
        """Answer by the script."""
        del tools, timeout_seconds
        label = f"model {_topic(messages)}/{len(messages)}"

        async def act() -> Completion:
            if not self._around.is_valid(_key(target)):
                await self._around.take_time()
                raise AuthenticationFailed("model: 401: key refused")
            self._around.watchman.on_model_call(label, messages)
            await self._around.be_busy(label)
            return self._script(messages)

        return await self._around.points.passing(self._around.process, label, act, lost=_model_lost)

    async def check(self, target: Target, *, timeout_seconds: float = DEFAULT_CHECK_TIMEOUT_SECONDS) -> None:
        """Free of charge and of consequences: no W point."""
        del timeout_seconds
        await self._around.take_time()
        if self._around.process.is_dead:
            await self._around.process.gone()
        if not self._around.is_valid(_key(target)):
            raise AuthenticationFailed("model: 401: key refused")

    async def aclose(self) -> None:
        """Nothing to close."""


def _model_lost() -> Exception:
    return TimedOut("model: timed out")


def _key(target: Target) -> str:
    return target.api_key.get_secret_value() if target.api_key is not None else ""


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
        del max_bytes, deadline
        name = request.url.path.rpartition("/")[2]
        arguments: dict[str, Any] = json.loads(request.body or b"{}")
        label = f"tool {name} {json.dumps(arguments, sort_keys=True)}"

        async def act() -> Reply:
            key = request.headers.get("Idempotency-Key", "")
            self._around.watchman.on_execution(label, key, is_unsafe=SAFE not in request.url.path)
            await self._around.be_busy(label)
            text = self._answers[name](arguments)
            status = 500 if text == BROKEN else 200
            return Reply(status, {"content-type": "text/plain"}, text.encode())

        return await self._around.points.passing(self._around.process, label, act, lost=_tool_lost)


def _tool_lost() -> Exception:
    return Uncertain("timed out: no whole answer in time")


MCP_TOOLS = (
    ToolInfo("lookup", "Looks something up.", {"type": "object", "properties": {}}, read_only=True, idempotent=True),
    ToolInfo("order", "Orders something.", {"type": "object", "properties": {}}),
)


class _Link:
    """A connection to an MCP server with two tools."""

    def __init__(self, around: Surroundings, *, trusted: bool) -> None:
        self._around = around
        self._trusted = trusted

    async def list_tools(self, cursor: str | None) -> Page:
        del cursor
        await self._around.take_time()
        return Page(MCP_TOOLS)

    async def call(self, tool: str, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> CallResult:
        label = f"mcp {tool} {json.dumps(dict(arguments), sort_keys=True)}"

        async def act() -> CallResult:
            is_unsafe = not (self._trusted and tool == "lookup")
            self._around.watchman.on_execution(label, str(meta.get(KEY_META, "")), is_unsafe=is_unsafe)
            await self._around.be_busy(label)
            return CallResult(f"{tool}: as you wish")

        return await self._around.points.passing(self._around.process, label, act, lost=_mcp_lost)


def _mcp_lost() -> Exception:
    return mcp_errors.ConnectionLost("connection lost")


def connector(around: Surroundings) -> Connector:
    """Connections to MCP servers that exist nowhere. Annotations are believed where the server's URL says so."""

    @asynccontextmanager
    async def connect(
        key: ServerKey, spec: ServerSpec, *, limits: Limits, warden: Warden, observer: Observer
    ) -> AsyncGenerator[Link]:
        del key, limits, warden, observer
        await around.take_time()
        yield _Link(around, trusted="trusted" in spec.url)

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
