"""Which calls of an MCP server may be repeated: none by the server's own word, unless a person trusts it."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.api.tool import ToolSemantics
from kubechain.llm.fake import FakeLLMClient, answer
from kubechain.mcp.errors import NotSent, TimedOut
from kubechain.mcp.model import ToolInfo
from test.controllers.oneserver import ASKED, SCHEMA, SILENT, Connect, OneServer, a_task_that_looks
from test.controllers.test_durability import is_over
from test.controllers.world import a_world


async def called(**spec: Any) -> TaskRunToolCall:
    """The call of the server's tool `look` once it is over."""
    async with a_world() as world:
        world.replica(FakeLLMClient(ASKED, answer("done")))
        await a_task_that_looks(world, **spec)
        await world.until(is_over)
        return await world.call_until(lambda call: True)


HARMLESS = ToolInfo("look", "Looks.", SCHEMA, read_only=True)
REPEATABLE = ToolInfo("look", "Looks.", SCHEMA, idempotent=True)


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
    connect: Connect, tool: ToolInfo, trust: bool | None, semantics: ToolSemantics
) -> None:
    connect(OneServer(tool, []))
    call = await called(**({} if trust is None else {"trustAnnotations": trust}))
    assert call.status.execution is not None
    assert call.status.execution.semantics == semantics


async def test_a_call_without_an_answer_is_not_repeated_where_the_server_is_not_trusted(
    connect: Connect,
) -> None:
    server = OneServer(HARMLESS, [TimedOut("no answer")])
    connect(server)
    assert (await called(trustAnnotations=False)).status.phase == ToolCallPhase.OUTCOME_UNKNOWN
    assert server.attempts == 1


async def test_a_call_without_an_answer_is_repeated_where_the_server_is_trusted(
    connect: Connect,
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
    connect: Connect, tool: ToolInfo, spec: dict[str, Any], semantics: ToolSemantics
) -> None:
    connect(OneServer(tool, []))
    call = await called(**spec)
    assert call.status.execution is not None
    assert call.status.execution.semantics == semantics


async def test_a_call_without_an_answer_is_repeated_under_its_key_where_a_person_says_so(
    connect: Connect,
) -> None:
    server = OneServer(SILENT, [TimedOut("no answer")])
    connect(server)
    call = await called(tools={"idempotent": ["look"]})
    assert (call.status.phase, server.attempts) == (ToolCallPhase.SUCCEEDED, 2)
    assert len(server.idempotency_keys) == 1


async def test_a_call_that_was_certainly_not_made_is_tried_three_times(connect: Connect) -> None:
    server = OneServer(SILENT, [NotSent("not connected")] * 9)
    connect(server)
    call = await called()
    assert (call.status.phase, server.attempts) == (ToolCallPhase.FAILED, 3)
    assert call.status.execution is not None
    assert call.status.execution.attempt == 2
