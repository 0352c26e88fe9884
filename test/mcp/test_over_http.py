"""Servers over HTTP, written with the MCP library, on loopback: what works, and what becomes of calls when they go."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from kubechain.mcp import http
from kubechain.mcp.errors import ConnectionLost, McpError, NotSent, TimedOut
from kubechain.mcp.model import Phase, ServerSpec, Transport
from test.mcp.conftest import SERVERS, World, a_key

PATHS: dict[Transport, str] = {"http": "/mcp", "sse": "/sse"}
TRANSPORTS = pytest.mark.parametrize("transport", list(PATHS))


class Server:
    """A server that can be killed and started again on its port."""

    def __init__(self, transport: Transport) -> None:
        """Start it."""
        self._transport: Transport = transport
        self._port = "0"
        self.start()

    def start(self) -> None:
        """Start it."""
        command = [sys.executable, str(SERVERS / "over_http.py"), self._transport, self._port]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = self._process.stdout.readline().strip()

    def stop(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.communicate()

    def spec(self, **headers: str) -> ServerSpec:
        """How to reach it."""
        return ServerSpec(
            self._transport,
            url=f"http://127.0.0.1:{self._port}{PATHS[self._transport]}",
            headers={name: SecretStr(value) for name, value in headers.items()},
        )


@pytest.fixture(scope="module", params=list(PATHS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server per transport."""
    with a_running(request.param) as server:
        yield server


@contextlib.contextmanager
def a_running(transport: Transport) -> Generator[Server]:
    """A server that is killed at the end."""
    server = Server(transport)
    try:
        yield server
    finally:
        server.stop()


async def headers(world: World, key: Any, **meta: str) -> dict[str, str]:
    """What the server saw of a call."""
    return json.loads((await world.call(key, "headers", meta=meta)).content)


async def test_calls_are_answered_side_by_side(world: World, server: Server):
    key = await world.ready(server.spec())
    slow = asyncio.create_task(world.call(key, "wait", seconds=5))
    results = await asyncio.gather(*(world.call(key, "add", a=number, b=1) for number in range(20)))
    assert [result.content for result in results] == [str(number + 1) for number in range(20)]
    assert not slow.done()
    slow.cancel()


async def test_headers_go_along_and_new_ones_reconnect(world: World, server: Server):
    key = await world.ready(server.spec(Authorization="Bearer one"))
    assert (await headers(world, key))["authorization"] == "Bearer one"
    world.manager.ensure(key, server.spec(Authorization="Bearer two"))
    await world.until(lambda: world.state(key).connects == 2)
    assert (await headers(world, key))["authorization"] == "Bearer two"


async def test_the_idempotency_key_is_a_header_of_its_call_only(world: World, server: Server):
    key = await world.ready(server.spec())
    seen = await headers(world, key, **{"kubechain.humanlayer.dev/idempotency-key": "k1"})
    assert seen["idempotency-key"] == "k1"
    assert "idempotency-key" not in await headers(world, key)


async def test_a_call_that_times_out_leaves_the_connection_as_it_was(world: World, server: Server):
    key = await world.ready(server.spec())
    with pytest.raises(TimedOut):
        await world.call(key, "wait", seconds=30, timeout_seconds=0.1)
    assert (await world.call(key, "add", a=1, b=1)).content == "2"
    assert world.state(key).connects == 1


async def test_an_answer_over_the_limit_is_dropped_alone(world: World):
    with a_running("http") as server:
        key = await world.ready(server.spec())
        assert (await world.call(key, "megabytes", count=5)).is_error
        assert (await world.call(key, "megabytes", count=1)).content == "x" * 1_000_000
        assert world.state(key).connects == 1


async def test_tools_that_change_are_listed_anew(world: World):
    with a_running("http") as server:
        key = await world.ready(server.spec())
        await world.call(key, "grow")
        state = await world.until_state(key, lambda state: state.tools[-1:] != () and state.tools[-1].name == "grown")
        assert state.connects == 1


@TRANSPORTS
async def test_a_server_that_goes_is_noticed_and_found_again(world: World, transport: Transport):
    with a_running(transport) as server:
        key = await world.ready(server.spec())
        call = asyncio.create_task(world.call(key, "wait", seconds=30, timeout_seconds=60))
        await world.until(lambda: world.manager.statistics().calls_in_flight == 1)
        await world.call(key, "add", a=1, b=1)  # by now the slow one has arrived, too
        server.stop()
        with pytest.raises(ConnectionLost):
            await call
        await world.until_state(key, lambda state: state.phase == Phase.BACKOFF)
        with pytest.raises(NotSent):
            await world.call(key, "add", a=1, b=1)
        server.start()
        await world.until(lambda: world.state(key).phase == Phase.READY)
        assert (await world.call(key, "add", a=1, b=1)).content == "2"


@TRANSPORTS
async def test_a_server_that_is_not_there_is_said_to_be_so(world: World, transport: Transport):
    key = a_key()
    world.manager.ensure(key, ServerSpec(transport, url="http://127.0.0.1:9/mcp"))
    state = await world.until_state(key, lambda state: state.phase == Phase.BACKOFF)
    assert state.error == "not reached: connection refused"


@TRANSPORTS
async def test_a_metadata_service_is_no_server(world: World, transport: Transport):
    key = a_key()
    world.manager.ensure(key, ServerSpec(transport, url="http://169.254.169.254/latest/meta-data/"))
    state = await world.until_state(key, lambda state: state.phase != Phase.CONNECTING)
    assert state.phase == Phase.FAILED
    assert state.error == ("url: address refused: 169.254.169.254: a metadata service or another link-local address")


@TRANSPORTS
async def test_a_name_that_leads_to_a_metadata_service_is_no_server(
    world: World, transport: Transport, monkeypatch: pytest.MonkeyPatch
):
    async def lookup(host: str, port: int) -> list[str]:
        return ["169.254.169.254"]

    monkeypatch.setattr(http, "http_client", functools.partial(http.http_client, lookup=lookup))
    key = a_key()
    world.manager.ensure(key, ServerSpec(transport, url="http://rebind.test/mcp"))
    state = await world.until_state(key, lambda state: state.phase != Phase.CONNECTING)
    assert state.phase == Phase.FAILED
    assert state.error.startswith("not reached: address refused: rebind.test: ")


@TRANSPORTS
async def test_a_server_that_has_nothing_at_that_path_has_failed(world: World, transport: Transport, server: Server):
    key = a_key()
    url = server.spec().url.rpartition("/")[0] + "/other"
    world.manager.ensure(key, ServerSpec(transport, url=url))
    state = await world.until_state(key, lambda state: state.phase == Phase.FAILED)
    assert state.error.startswith("HTTP 404: nothing is served at the path of url")


async def test_a_call_after_the_session_was_forgotten_is_not_executed(world: World, server: Server):
    """A server that was started anew knows no session of its predecessor's."""
    key = await world.ready(server.spec())
    server.stop()
    server.start()
    try:
        result = await world.call(key, "add", a=1, b=1)
    except McpError:
        await world.until(lambda: world.state(key).connects == 2)
        result = await world.call(key, "add", a=1, b=1)
    assert result.content == "2"
