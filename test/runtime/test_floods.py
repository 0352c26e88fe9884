"""What the inbound port refuses, and how little that costs: limits by address and in all, counts, one line a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import structlog

from kubechain.runtime.endpoints import EndpointLimits, InboundEndpoint, InboundReply, InboundRequest
from kubechain.runtime.floods import ADDRESSES_MAX, FloodGuard, FloodLimits, origin_of
from kubechain.runtime.manager import Manager, Options
from test.runtime.fake_apiserver import FakeApiServer
from test.runtime.test_endpoints import answer_ok, free_port, raw_exchange, running, serving

REAL_TIME = True

QUICK = FloodLimits(refusals_per_second=3.0, delay_seconds=0.0)
REQUEST = b"POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


class Forger:
    """An endpoint that nobody signs for."""

    def __init__(self) -> None:
        self.looked_at = 0

    async def __call__(self, inbound: InboundRequest) -> InboundReply:
        self.looked_at += 1
        return InboundReply(status=403)


def a_guard(limits: FloodLimits | None = None) -> tuple[FloodGuard, list[float]]:
    """A guard with a clock that a test sets."""
    now = [100.0]
    return FloodGuard(
        limits or FloodLimits(refusals_per_second=2.0, refusals_per_second_in_all=5.0), lambda: now[0]
    ), now


async def test_an_address_that_is_refused_too_often_is_not_looked_at_until_time_has_passed() -> None:
    guard, now = a_guard()
    for _ in range(2):
        assert guard.looks_at("192.0.2.1")
        guard.refuse("request", "192.0.2.1")
    assert not guard.looks_at("192.0.2.1")
    assert guard.looks_at("192.0.2.2"), "somebody else is"
    now[0] += 0.5
    assert guard.looks_at("192.0.2.1")
    guard.tell()


async def test_all_addresses_together_have_a_limit_of_their_own() -> None:
    guard, _ = a_guard()
    for number in range(5):
        guard.refuse("request", f"192.0.2.{number}")
    assert not guard.looks_at("198.51.100.1")
    guard.tell()


async def test_what_is_not_looked_at_takes_nothing_more() -> None:
    guard, now = a_guard()
    for _ in range(2):
        guard.refuse("request", "192.0.2.1")
    for _ in range(1_000):
        guard.refuse("rate")
    now[0] += 0.5
    assert guard.looks_at("192.0.2.1")
    guard.tell()


async def test_addresses_are_forgotten_before_they_fill_the_memory() -> None:
    guard, _ = a_guard(FloodLimits(refusals_per_second=1.0, refusals_per_second_in_all=1e9))
    for number in range(ADDRESSES_MAX + 10):
        guard.refuse("request", f"host-{number}")
    assert guard.looks_at("host-0")
    assert not guard.looks_at(f"host-{ADDRESSES_MAX}")
    guard.tell()


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", id="IPv4: each address"),
        pytest.param("2001:db8:1:2:3::4", "2001:db8:1:2::/64", id="IPv6: a host has a whole /64"),
        pytest.param("fe80::1%eth0", "fe80::/64", id="with a zone"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", id="IPv4 at a socket of both"),
        pytest.param("", "", id="none"),
    ],
)
def test_what_counts_as_one_address(address: str, origin: str) -> None:
    assert origin_of(address) == origin


async def test_a_flood_of_unsigned_requests_is_not_looked_at_and_its_connections_are_closed() -> None:
    forger = Forger()
    limits = EndpointLimits(flood=QUICK)
    async with serving(InboundEndpoint(path="/in", handler=forger), limits=limits) as server:
        reply = await raw_exchange(server.port, REQUEST * 100)
        assert forger.looked_at <= 4, "the bucket has three, and fills meanwhile"
        assert reply.count(b"HTTP/1.1 403") == forger.looked_at
        assert reply.count(b"HTTP/1.1 429") == 1, "and then the connection is closed"


async def test_what_is_not_http_is_refused_without_a_log_line_of_its_own() -> None:
    with structlog.testing.capture_logs() as logs:
        async with serving(InboundEndpoint(path="/in", handler=answer_ok)) as server:
            for _ in range(5):
                assert b"400 Bad Request" in await raw_exchange(server.port, b"no http\r\n\r\n")
            assert logs == []
        assert [(entry["event"], entry["malformed"]) for entry in logs] == [("inbound requests refused", 5)]


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /%s HTTP/1.1\r\n\r\n" % (b"x" * 5_000), id="a long request line"),
        pytest.param(b"GET /in HTTP/1.1\r\nX: %s\r\n\r\n" % (b"x" * 5_000), id="a long header"),
        pytest.param(b"GET /in HTTP/1.1\r\n%s\r\n" % (b"X: y\r\n" * 100), id="many headers"),
    ],
)
async def test_a_head_over_the_limits_is_refused(head: bytes) -> None:
    async with serving(InboundEndpoint(path="/in", handler=answer_ok)) as server:
        assert (await raw_exchange(server.port, head))[8:].startswith(b" 400 ")


async def test_a_head_that_does_not_come_closes_the_connection() -> None:
    limits = EndpointLimits(idle_seconds=0.2)
    async with serving(InboundEndpoint(path="/in", handler=answer_ok), limits=limits) as server:
        assert await raw_exchange(server.port, b"GET /in HTTP/1.1\r\nHost: a\r\n") == b""


@asynccontextmanager
async def connected(port: int) -> AsyncGenerator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader
    finally:
        writer.close()


async def test_connections_over_the_limit_of_an_address_are_closed_and_room_is_used_again() -> None:
    limits = EndpointLimits(flood=FloodLimits(connections_per_address=2))
    async with serving(InboundEndpoint(path="/in", handler=answer_ok), limits=limits) as server:
        async with connected(server.port), connected(server.port):
            async with connected(server.port) as third:
                assert await third.read() == b""
            assert server.guard.refused["connection"] == 1
        asked = b"GET /in HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        while not (reply := await _tried(server.port, asked)):
            pass
        assert reply.endswith(b"ok")


async def _tried(port: int, sent: bytes) -> bytes:
    """What came; empty where the server has not noticed yet that others are gone."""
    try:
        return await raw_exchange(port, sent)
    except ConnectionError:
        return b""


async def test_connections_over_the_limit_in_all_wait() -> None:
    limits = EndpointLimits(flood=FloodLimits(connections=1))
    async with serving(InboundEndpoint(path="/in", handler=answer_ok), limits=limits) as server:
        asked = b"GET /in HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        async with connected(server.port):
            waiting = asyncio.create_task(raw_exchange(server.port, asked))
        assert (await waiting).endswith(b"ok")


async def test_a_manager_tells_what_it_refused_as_a_metric() -> None:
    port = free_port()
    manager = Manager(FakeApiServer(), options=Options(endpoint_address=f"127.0.0.1:{port}"))
    manager.add_endpoint("/in", Forger())
    async with running(manager):
        await raw_exchange(port, REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert b'kubechain_inbound_refused_total{reason="request"} 1.0' in manager.metrics.exposition()
