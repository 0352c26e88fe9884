"""MCP servers that ask people before they carry a call out: the real loops and engine, with a server of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from kubechain.api.humanrequest import HumanRequest, HumanRequestPhase
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.controllers import resources
from kubechain.llm.fake import FakeLLMClient, answer
from kubechain.mcp.elicitation import FormAsked, Inputs, Item, Reply, UrlAsked
from test.controllers.oneserver import ASKED, SILENT, Connect, OneServer, a_task_that_looks
from test.controllers.people import CALL, answers_of, decide, request_is, request_of
from test.controllers.test_tool_turns import CRASHES, SURVIVABLE
from test.controllers.world import NAMESPACE, Harm, Point, World, a_world

SECOND = f"{CALL}-2"
STATE = "s3cr3t-state-canary"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"color": {"type": "string", "minLength": 2}, "size": {"type": "integer", "default": 3}},
    "required": ["color"],
}
COLOR = FormAsked("a", "Which color?", SCHEMA)
PAGE = UrlAsked("b", "Sign in, please.", "https://login.example.com/start")
RED = Reply("accept", {"size": 3, "color": "red"})


def asks(*asked: FormAsked | UrlAsked, state: str | None = STATE) -> Inputs:
    return Inputs(tuple(map(Item, asked)), state)


@asynccontextmanager
async def asking_world(connect: Connect, server: OneServer, *points: Point) -> AsyncGenerator[World]:
    connect(server)
    async with a_world() as world:
        first = world.replica(FakeLLMClient(ASKED, answer("done")))
        first.exchange.points.extend(points)
        await a_task_that_looks(world)
        yield world


async def test_a_form_is_filled_in_and_the_same_call_goes_again_with_the_fields(connect: Connect) -> None:
    server = OneServer(SILENT, [], questions=[asks(COLOR)])
    async with asking_world(connect, server) as world:
        request = (await request_of(world)).spec.request
        assert (request.type, request.choices, request.schema_) == ("Form", ("Answer", "Reject"), SCHEMA)
        assert (request.subject.resource, request.subject.name) == ("mcpservers", "eyes")
        assert "Which color?" in (request.message or "")
        assert f"kubechain answer {CALL} -n default --field NAME=VALUE" in (request.message or "")
        call = await world.call_until(lambda call: call.status.phase == ToolCallPhase.AWAITING_HUMAN_INPUT)
        assert call.status.elicitation is not None
        assert call.status.elicitation.request_state == STATE
        await decide(world, "Answer", answer='{"color": "red"}')
        assert await answers_of(world) == ["seen"]
        await world.request_until(request_is(HumanRequestPhase.DECIDED))
    assert server.replies == [None, Inputs((Item(COLOR, RED),), STATE)]
    assert len(server.idempotency_keys) == 2, "a server that knows the key would repeat its question"


async def test_a_page_is_done_with(connect: Connect) -> None:
    server = OneServer(SILENT, [], questions=[asks(PAGE)])
    async with asking_world(connect, server) as world:
        request = (await request_of(world)).spec.request
        assert (request.type, request.choices, request.url) == ("Url", ("Done", "Reject"), PAGE.url)
        assert "a page of login.example.com;" in (request.message or "")
        await decide(world, "Done")
        assert await answers_of(world) == ["seen"]
    assert server.replies[1:] == [Inputs((Item(PAGE, Reply("accept")),), STATE)]


@pytest.mark.parametrize("asked", [pytest.param(COLOR, id="a form"), pytest.param(PAGE, id="a page")])
async def test_a_person_who_declines_is_told_to_the_server(connect: Connect, asked: FormAsked | UrlAsked) -> None:
    server = OneServer(SILENT, [], questions=[asks(asked)])
    async with asking_world(connect, server) as world:
        await decide(world, "Reject", comment="no")
        assert await answers_of(world) == ["seen"]
    assert server.replies[1:] == [Inputs((Item(asked, Reply("decline")),), STATE)]


async def test_an_answer_that_the_form_does_not_take_is_asked_for_again_with_the_reason(connect: Connect) -> None:
    server = OneServer(SILENT, [], questions=[asks(COLOR)])
    async with asking_world(connect, server) as world:
        await decide(world, "Answer", answer='{"color": "r", "shape": 1}')
        again = (await request_of(world, SECOND)).spec.request
        assert "The last answer was not taken: arguments: " in (again.message or "")
        await decide(world, "Answer", SECOND, answer='{"color": "red"}')
        assert await answers_of(world) == ["seen"]
        for name in (CALL, SECOND):
            await world.request_until(request_is(HumanRequestPhase.DECIDED, name))
    assert server.attempts == 2, "the server saw neither the wrong answer nor another call"


async def test_two_things_at_once_are_asked_one_after_the_other_and_a_second_round_after_them(connect: Connect) -> None:
    sure = replace(COLOR, key="c", message="Sure?")
    server = OneServer(SILENT, [], questions=[asks(COLOR, PAGE), asks(sure, state="other")])
    async with asking_world(connect, server) as world:
        await decide(world, "Answer", answer='{"color": "red"}')
        await decide(world, "Done", SECOND)
        await decide(world, "Answer", f"{CALL}-3", answer='{"color": "red"}')
        assert await answers_of(world) == ["seen"]
    first = Inputs((Item(COLOR, RED), Item(PAGE, Reply("accept"))), STATE)
    assert server.replies == [None, first, Inputs((Item(sure, RED),), "other")]


async def test_a_server_that_only_wants_the_call_again_asks_nobody(connect: Connect) -> None:
    server = OneServer(SILENT, [], questions=[Inputs(state="one"), Inputs(state="two")])
    async with asking_world(connect, server) as world:
        assert await answers_of(world) == ["seen"]
    assert [one and one.state for one in server.replies] == [None, "one", "two"]


async def test_a_server_that_asks_for_ever_is_given_up(connect: Connect) -> None:
    server = OneServer(SILENT, [], questions=[Inputs(state="again")] * 40)
    async with asking_world(connect, server) as world:
        (text,) = await answers_of(world)
    assert text == "error: the MCP server asked for input more than 16 times"
    assert server.attempts == 17


async def test_nobody_answers_and_the_model_reads_it(connect: Connect) -> None:
    server = OneServer(SILENT, [], questions=[asks(COLOR)])
    async with asking_world(connect, server) as world:
        await request_of(world)
        await world.replicas[0].stop()
        await asyncio.sleep(7 * 86_400 - 60)
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        (text,) = await answers_of(world)
        assert text.startswith("rejected: nobody answered what the MCP server asked in time")
        await world.request_until(request_is(HumanRequestPhase.EXPIRED))
    assert server.attempts == 1


async def test_another_process_goes_on_with_what_the_first_one_recorded(connect: Connect) -> None:
    server = OneServer(SILENT, [], questions=[asks(COLOR)])
    async with asking_world(connect, server) as world:
        await request_of(world)
        await world.replicas[0].stop()
        await decide(world, "Answer", answer='{"color": "red"}')
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        assert await answers_of(world) == ["seen"]
    assert server.replies == [None, Inputs((Item(COLOR, RED),), STATE)]


@pytest.mark.parametrize("harm", [*SURVIVABLE, *CRASHES])
@pytest.mark.parametrize("at", [ToolCallPhase.AWAITING_HUMAN_INPUT, ToolCallPhase.PENDING])
async def test_a_failed_write_or_a_crash_asks_nobody_twice(connect: Connect, at: ToolCallPhase, harm: Harm) -> None:
    server, point = OneServer(SILENT, [], questions=[asks(COLOR)]), Point(at, harm)
    async with asking_world(connect, server, point) as world:
        if at == ToolCallPhase.PENDING:
            await decide(world, "Answer", answer='{"color": "red"}')
        if harm in CRASHES:
            await world.replicas[0].crashed.wait()
            world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        if (at, harm) == (ToolCallPhase.AWAITING_HUMAN_INPUT, "crash before"):
            (text,) = await answers_of(world)
            assert "may or may not have taken effect" in text, "what the server asked died with the process"
            return
        if at == ToolCallPhase.AWAITING_HUMAN_INPUT:
            await decide(world, "Answer", answer='{"color": "red"}')
        assert await answers_of(world) == ["seen"]
        assert [request.metadata.name for request in await requests_of(world)] == [CALL]
    assert point.hits == 1
    assert server.replies == [None, Inputs((Item(COLOR, RED),), STATE)]


async def requests_of(world: World) -> list[HumanRequest]:
    return await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)


async def test_the_state_of_the_server_is_in_no_request_and_no_log(
    connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    server = OneServer(SILENT, [], questions=[asks(COLOR)])
    async with asking_world(connect, server) as world:
        request = await request_of(world)
        await decide(world, "Answer", answer='{"color": "red"}')
        assert await answers_of(world) == ["seen"]
    logged = capsys.readouterr()
    assert STATE not in request.model_dump_json() + logged.out + logged.err
