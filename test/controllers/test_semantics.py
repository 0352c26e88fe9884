"""Which calls of an MCP server may be repeated: none by the server's own word, unless a person trusts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.api.tool import ToolSemantics
from kubechain.controllers.setup import Clients
from kubechain.controllers.toolkinds.mcp import KEY_META
from kubechain.llm.client import LLMClient
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.mcp.errors import McpError, NotSent, TimedOut
from kubechain.mcp.model import CallResult, Phase, ServerKey, ServerSpec, ServerState, ToolInfo
from test.controllers import world as worlds
from test.controllers.builders import a_call
from test.controllers.test_durability import is_over

SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}


@dataclass
class OneServer:
    """Connections to a server that is always there, and whose calls end as the test says.

    Attributes:
        tool: What the server offers.
        failures: Of its next calls; then they succeed.
    """

    tool: ToolInfo
    failures: list[McpError]
    attempts: int = 0
    keys: set[ServerKey] = field(default_factory=set[ServerKey])
    idempotency_keys: set[str] = field(default_factory=set[str])

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    def is_specified(self, key: ServerKey, spec: ServerSpec) -> bool:
        return key in self.keys

    def ensure(self, key: ServerKey, spec: ServerSpec) -> ServerState:
        self.keys.add(key)
        return self.state(key)

    def state(self, key: ServerKey) -> ServerState:
        return ServerState(Phase.READY, (self.tool,), connects=1)

    async def call(self, key: ServerKey, tool: str, arguments: Mapping[str, Any], **more: Any) -> CallResult:
        self.attempts += 1
        self.idempotency_keys.add(more["meta"][KEY_META])
        if self.failures:
            raise self.failures.pop(0)
        return CallResult("seen")


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[OneServer], None]:
    """Gives the replicas of the test these connections."""
    plain = worlds.clients_for

    def connect(server: OneServer) -> None:
        def clients_for(model: LLMClient) -> Clients:
            usual = plain(model)
            return Clients(
                llm=usual.llm, make_connections=lambda _: cast(Any, server), http=usual.http, engine=usual.engine
            )

        monkeypatch.setattr(worlds, "clients_for", clients_for)

    return connect


async def called(**spec: Any) -> TaskRunToolCall:
    """The call of the server's tool `look` once it is over."""
    model = FakeLLMClient(calls(a_call("eyes__look", "{}")), answer("done"))
    async with worlds.a_world() as world:
        world.replica(model)
        await world.apply_walk_through(mcpServers=[{"name": "eyes"}])
        manifest = {"metadata": {"name": "eyes"}, "spec": {"type": "stdio", "command": "x", **spec}}
        await world.apply("mcpservers", manifest)
        await world.apply_task()
        await world.until(is_over)
        return await world.call_until(lambda call: True)


HARMLESS = ToolInfo("look", "Looks.", SCHEMA, read_only=True)
REPEATABLE = ToolInfo("look", "Looks.", SCHEMA, idempotent=True)
SILENT = ToolInfo("look", "Looks.", SCHEMA)


@pytest.mark.parametrize(
    ("tool", "trust", "semantics"),
    [
        pytest.param(HARMLESS, None, "AtMostOnce", id="a word that nobody trusts"),
        pytest.param(HARMLESS, False, "AtMostOnce", id="a word that a person distrusts"),
        pytest.param(REPEATABLE, False, "AtMostOnce", id="another word that a person distrusts"),
        pytest.param(HARMLESS, True, "Idempotent", id="a tool that changes nothing, and trust"),
        pytest.param(REPEATABLE, True, "Idempotent", id="a tool that may be repeated, and trust"),
        pytest.param(SILENT, True, "AtMostOnce", id="trust in a server that says nothing"),
    ],
)
async def test_the_word_of_a_server_counts_only_where_it_is_trusted(
    connect: Callable[[OneServer], None], tool: ToolInfo, trust: bool | None, semantics: ToolSemantics
) -> None:
    connect(OneServer(tool, []))
    call = await called(**({} if trust is None else {"trustAnnotations": trust}))
    assert call.status.execution is not None
    assert call.status.execution.semantics == semantics


async def test_a_call_without_an_answer_is_not_repeated_where_the_server_is_not_trusted(
    connect: Callable[[OneServer], None],
) -> None:
    server = OneServer(HARMLESS, [TimedOut("no answer")])
    connect(server)
    assert (await called(trustAnnotations=False)).status.phase == ToolCallPhase.OUTCOME_UNKNOWN
    assert server.attempts == 1


async def test_a_call_without_an_answer_is_repeated_where_the_server_is_trusted(
    connect: Callable[[OneServer], None],
) -> None:
    server = OneServer(HARMLESS, [TimedOut("no answer")])
    connect(server)
    call = await called(trustAnnotations=True)
    assert (call.status.phase, server.attempts) == (ToolCallPhase.SUCCEEDED, 2)
    assert call.status.execution is not None
    assert call.status.execution.attempt == 1


@pytest.mark.parametrize(
    ("tool", "spec", "semantics"),
    [
        pytest.param(SILENT, {"tools": {"idempotent": ["look"]}}, "Idempotent", id="a name in the list"),
        pytest.param(SILENT, {"tools": {"idempotent": ["touch", "l*"]}}, "Idempotent", id="a glob in the list"),
        pytest.param(SILENT, {"tools": {"idempotent": ["touch*"]}}, "AtMostOnce", id="a list of other tools"),
        pytest.param(SILENT, {"tools": {"idempotent": ["loo"]}}, "AtMostOnce", id="the beginning of a name is no name"),
        pytest.param(SILENT, {"tools": {"idempotent": ["eyes__look"]}}, "AtMostOnce", id="the name that models know"),
        pytest.param(SILENT, {"tools": {"include": ["look"]}}, "AtMostOnce", id="a tool that is only included"),
        pytest.param(
            HARMLESS,
            {"tools": {"idempotent": ["touch"]}, "trustAnnotations": True},
            "Idempotent",
            id="a list of other tools, and trust",
        ),
        pytest.param(
            SILENT,
            {"tools": {"idempotent": ["*"]}, "trustAnnotations": False},
            "Idempotent",
            id="a list, and distrust of what the server says",
        ),
    ],
)
async def test_the_word_of_a_person_counts_whatever_the_server_says(
    connect: Callable[[OneServer], None], tool: ToolInfo, spec: dict[str, Any], semantics: ToolSemantics
) -> None:
    connect(OneServer(tool, []))
    call = await called(**spec)
    assert call.status.execution is not None
    assert call.status.execution.semantics == semantics


async def test_a_call_without_an_answer_is_repeated_under_its_key_where_a_person_says_so(
    connect: Callable[[OneServer], None],
) -> None:
    server = OneServer(SILENT, [TimedOut("no answer")])
    connect(server)
    call = await called(tools={"idempotent": ["look"]})
    assert (call.status.phase, server.attempts) == (ToolCallPhase.SUCCEEDED, 2)
    assert len(server.idempotency_keys) == 1


async def test_a_call_that_was_certainly_not_made_is_tried_three_times(connect: Callable[[OneServer], None]) -> None:
    server = OneServer(SILENT, [NotSent("not connected")] * 9)
    connect(server)
    call = await called()
    assert (call.status.phase, server.attempts) == (ToolCallPhase.FAILED, 3)
    assert call.status.execution is not None
    assert call.status.execution.attempt == 2
