"""The in-process face: the runtime's seam without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from kubechain_apiserver.engine.engine import Engine
from kubechain_apiserver.http.inprocess import InProcessExchange
from kubechain_apiserver.requests.handler import ApiServer
from kubechain_apiserver.store.environment import SeededEnvironment
from kubechain_apiserver.wire.authn import Tokens
from packages.apiserver.test.resources import a_crd

TASKS = "/apis/g.io/v1/namespaces/default/tasks"
NO_LIMIT: dict[str, Any] = {"headers": {}, "connect_timeout_seconds": 1, "idle_timeout_seconds": 1}


@pytest.fixture
def engine() -> Engine:
    engine = Engine(environment=SeededEnvironment())
    definitions = engine.registry.find("apiextensions.k8s.io", "v1", "customresourcedefinitions")
    assert definitions is not None
    engine.create(definitions, "", a_crd())
    return engine


@pytest.fixture
def exchange(engine: Engine) -> InProcessExchange:
    server = ApiServer(engine, tokens=Tokens("admin"), now=SeededEnvironment().now)
    return InProcessExchange(server, headers={"user-agent": "manager"})


async def send(exchange: InProcessExchange, method: str, target: str, body: Any = None) -> tuple[int, Any]:
    content = orjson.dumps(body) if body is not None else None
    reply = await exchange.send(
        method, target, headers={"Content-Type": "application/json"}, body=content, timeout_seconds=1
    )
    return reply.status, orjson.loads(reply.body)


async def make(exchange: InProcessExchange, name: str) -> None:
    task = {"apiVersion": "g.io/v1", "kind": "Task", "metadata": {"name": name}, "spec": {"message": "x"}}
    assert (await send(exchange, "POST", TASKS, task))[0] == 201


async def test_requests_are_answered(exchange: InProcessExchange) -> None:
    await make(exchange, "a")
    status, listed = await send(exchange, "GET", f"{TASKS}?fieldSelector=metadata.name%3Da")
    assert (status, [i["metadata"]["name"] for i in listed["items"]]) == (200, ["a"])
    assert (await send(exchange, "GET", f"{TASKS}/nope"))[0] == 404


async def test_lines_come_as_things_happen(exchange: InProcessExchange) -> None:
    async with exchange.stream(f"{TASKS}?watch=1", **NO_LIMIT) as reply:
        assert reply.status == 200
        lines = reply.lines
        waiting = asyncio.ensure_future(anext(lines))
        await make(exchange, "a")
        assert orjson.loads(await waiting)["object"]["metadata"]["name"] == "a"


async def test_leaving_the_stream_ends_the_watch(exchange: InProcessExchange, engine: Engine) -> None:
    async with exchange.stream(f"{TASKS}?watch=1", **NO_LIMIT):
        assert engine.statistics()["watchers"] == 1
    assert engine.statistics()["watchers"] == 0


async def test_a_stream_that_is_refused_has_a_body(exchange: InProcessExchange) -> None:
    async with exchange.stream(f"{TASKS}?watch=1&labelSelector=%21%21", **NO_LIMIT) as reply:
        assert reply.status == 400
        assert orjson.loads(await reply.read())["kind"] == "Status"
        assert [line async for line in reply.lines] == []


async def test_closing_the_exchange_ends_its_streams(exchange: InProcessExchange) -> None:
    async with exchange.stream(f"{TASKS}?watch=1", **NO_LIMIT) as reply:
        await exchange.aclose()
        assert [line async for line in reply.lines] == []


async def test_send_does_not_take_a_stream(exchange: InProcessExchange, engine: Engine) -> None:
    with pytest.raises(ValueError, match="the answer is a stream"):
        await exchange.send("GET", f"{TASKS}?watch=1", headers={}, body=None, timeout_seconds=1)
    assert engine.statistics()["watchers"] == 0
