"""The clients that are measured side by side hold the same conversation, and a wrong answer is a failure."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import asdict
from typing import Any

import pytest
from aiohttp import web

from bench.llm.__main__ import figures
from bench.llm.caller import Measured, all_at_once
from bench.llm.clients import BESIDE, CLIENTS, SYSTEM
from bench.llm.model import Model, said

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MEASURED = Measured(
    seconds=10.0,
    cpu_seconds=4.0,
    requests=2000,
    failures={"WrongAnswer": 2, "TimedOut": 1},
    idle_rss_mib=60.0,
    peak_rss_mib=70.0,
    p50_seconds=1.25,
    p99_seconds=1.5,
)


class Served:
    """The model on loopback, with the bodies that it got."""

    def __init__(self) -> None:
        self.origin = ""
        self.bodies: list[dict[str, Any]] = []


@pytest.fixture
async def served() -> AsyncGenerator[Served]:
    served = Served()

    @web.middleware
    async def kept(request: web.Request, handler: Handler) -> web.StreamResponse:
        served.bodies.append(json.loads(await request.read()))
        return await handler(request)

    app = Model(0.0).app
    app.middlewares.append(kept)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


@pytest.mark.parametrize("name", CLIENTS)
async def test_each_client_sends_all_that_was_said(served: Served, name: str) -> None:
    async with CLIENTS[name](served.origin, 1) as begin:
        conversation = begin()
        assert await conversation.ask("one") == "You said: one"
        assert await conversation.ask("two") == "You said: two"
    first, second = ([said(message["content"]) for message in body["messages"]] for body in served.bodies)
    system = served.bodies[0].get("system")
    assert ([said(system)] if system else []) + first == [SYSTEM, "one"]
    assert second == [*first, "You said: one", "two"]


@pytest.mark.parametrize("name", sorted({"ours-chat", "ours-messages", "openai", "anthropic"}))
async def test_conversations_side_by_side_get_their_own_answers(served: Served, name: str) -> None:
    async with CLIENTS[name](served.origin, 5) as begin:
        tally = await all_at_once(begin, 5, 2)
    assert (len(tally.seconds), dict(tally.failures)) == (10, {})
    assert len(served.bodies) == 10


async def test_an_answer_to_another_conversation_is_a_failure() -> None:
    class Confused:
        async def ask(self, text: str) -> str:
            return f"You said: another {text}"

    tally = await all_at_once(Confused, 2, 3)
    assert (len(tally.seconds), dict(tally.failures)) == (6, {"WrongAnswer": 6})


async def test_a_request_that_fails_is_counted_and_the_next_turn_goes_on(served: Served) -> None:
    async with CLIENTS["ours-chat"](served.origin + "/nowhere", 2) as begin:
        tally = await all_at_once(begin, 2, 2)
    assert len(tally.seconds) == tally.failures.total() == 4


def test_figures_are_by_request_and_by_conversation_and_without_the_latency() -> None:
    found = figures(MEASURED, 1000, 999, 1.0)
    assert (found.requests_per_second, found.cpu_ms_per_request) == (200.0, 2.0)
    assert (found.kib_per_conversation, found.failures, found.most_in_flight) == (10.24, 3, 999)
    assert (found.p50_ms, found.p99_ms) == (250.0, 500.0)
    assert set(asdict(found.times(found)).values()) == {1.0}


def test_an_sdk_stands_beside_ours_in_its_format() -> None:
    assert {name: ours for name, ours in BESIDE.items() if name in CLIENTS and ours in CLIENTS} == BESIDE
    assert set(CLIENTS) - set(BESIDE) == {"ours-chat", "ours-messages"}
