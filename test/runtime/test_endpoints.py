"""Inbound endpoints, over real sockets: what reaches a handler, what is refused before it, and who answers when."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
import structlog

from kubechain.runtime.endpoints import EndpointLimits, EndpointServer, InboundEndpoint, InboundReply, InboundRequest
from kubechain.runtime.manager import Election, Manager, Options
from test.runtime.fake_apiserver import FakeApiServer

REAL_TIME = True


@asynccontextmanager
async def serving(
    *endpoints: InboundEndpoint, leads: Callable[[], bool] = lambda: True, limits: EndpointLimits | None = None
) -> AsyncGenerator[EndpointServer]:
    """Serve endpoints on a free port."""
    server = EndpointServer("127.0.0.1:0", endpoints, leads=leads, limits=limits)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def request(method: str, url: str, body: bytes = b"", **headers: str) -> tuple[int, str, str]:
    """Return status, text and Retry-After."""
    async with aiohttp.ClientSession() as session, session.request(method, url, data=body, headers=headers) as got:
        return got.status, await got.text(), got.headers.get("Retry-After", "")


async def raw_exchange(port: int, sent: bytes) -> bytes:
    """Send bytes as they are, and return what came until the server closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    await writer.drain()
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def answer_ok(inbound: InboundRequest) -> InboundReply:
    return InboundReply(body="ok")


async def test_a_handler_sees_the_request_and_its_answer_is_sent_as_it_is() -> None:
    seen: list[InboundRequest] = []

    async def handler(inbound: InboundRequest) -> InboundReply:
        seen.append(inbound)
        return InboundReply(status=201, body='{"a":1}', content_type="application/json", headers={"X-Own": "yes"})

    async with serving(InboundEndpoint(path="/approvals/{id}", handler=handler)) as server:
        url = f"http://127.0.0.1:{server.port}/approvals/a-1?choice=yes"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=b"body", headers={"X-Sig": "s"}) as answer,
        ):
            status, headers, text = answer.status, answer.headers, await answer.text()
    assert (status, text, headers["Content-Type"], headers["X-Own"]) == (201, '{"a":1}', "application/json", "yes")
    (got,) = seen
    assert (got.method, got.path, got.parts) == ("POST", "/approvals/a-1", {"id": "a-1"})
    assert (got.query, got.headers["x-sig"], got.body) == ({"choice": "yes"}, "s", b"body")
    assert got.remote == "127.0.0.1"


async def test_other_paths_and_methods_are_refused() -> None:
    async with serving(InboundEndpoint(path="/in", handler=answer_ok, methods=("POST",))) as server:
        url = f"http://127.0.0.1:{server.port}"
        assert (await request("POST", f"{url}/in"))[:2] == (200, "ok")
        assert (await request("GET", f"{url}/in"))[0] == 405
        assert (await request("GET", f"{url}/metrics"))[0] == 404


@pytest.mark.parametrize("chunked", [False, True], ids=["its length is announced", "it comes in chunks"])
async def test_a_body_over_the_limit_is_refused_before_the_handler(chunked: bool) -> None:
    called: list[InboundRequest] = []

    async def handler(inbound: InboundRequest) -> InboundReply:
        called.append(inbound)
        return InboundReply()

    head = b"POST /in HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    body = b"x" * 101
    sent = head + b"Content-Length: 101\r\n\r\n" + body
    if chunked:
        sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    async with serving(InboundEndpoint(path="/in", handler=handler), limits=EndpointLimits(body_bytes=100)) as server:
        reply = await raw_exchange(server.port, sent)
        assert reply.startswith(b"HTTP/1.1 413 ")
        assert called == []
        assert (await request("POST", f"http://127.0.0.1:{server.port}/in", b"x" * 100))[0] == 200


async def test_a_body_that_does_not_come_is_answered_408() -> None:
    sent = b"POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"
    async with serving(
        InboundEndpoint(path="/in", handler=answer_ok), limits=EndpointLimits(timeout_seconds=0.05)
    ) as server:
        assert (await raw_exchange(server.port, sent)).startswith(b"HTTP/1.1 408 ")


async def test_a_handler_over_its_time_is_cancelled_and_answered_503() -> None:
    cancelled = asyncio.Event()

    async def hang(inbound: InboundRequest) -> InboundReply:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return InboundReply()

    async with serving(
        InboundEndpoint(path="/in", handler=hang), limits=EndpointLimits(timeout_seconds=0.05)
    ) as server:
        assert await request("GET", f"http://127.0.0.1:{server.port}/in") == (503, "the answer took too long", "5")
    assert cancelled.is_set()


async def test_a_handler_that_fails_is_answered_500_without_its_text_and_logged() -> None:
    async def fail(inbound: InboundRequest) -> InboundReply:
        raise RuntimeError("the inside")

    with structlog.testing.capture_logs() as logs:
        async with serving(InboundEndpoint(path="/in", handler=fail)) as server:
            assert (await request("GET", f"http://127.0.0.1:{server.port}/in"))[:2] == (500, "internal error")
    assert [(entry["event"], entry["path"]) for entry in logs] == [("endpoint failed", "/in")]


async def test_more_requests_than_allowed_are_answered_503() -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def wait(inbound: InboundRequest) -> InboundReply:
        began.set()
        await go_on.wait()
        return InboundReply(body="ok")

    async with serving(InboundEndpoint(path="/in", handler=wait), limits=EndpointLimits(requests=1)) as server:
        url = f"http://127.0.0.1:{server.port}/in"
        first = asyncio.create_task(request("GET", url))
        await began.wait()
        assert (await request("GET", url))[:2] == (503, "too many requests in flight")
        go_on.set()
        assert (await first)[:2] == (200, "ok")
        assert (await request("GET", url))[0] == 200


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


class Began:
    """Tells that the manager has started its servers."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    async def run(self) -> None:
        self.event.set()


@asynccontextmanager
async def running(manager: Manager) -> AsyncGenerator[None]:
    began = Began()
    manager.add_runnable(began, needs_leader=False)
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await began.event.wait()
        yield
        manager.stop()


def a_manager(server: FakeApiServer, port: int, *, election: Election | None = None) -> Manager:
    return Manager(server, options=Options(endpoint_address=f"127.0.0.1:{port}", election=election))


async def connects(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.mark.parametrize(
    ("has_address", "paths", "served"),
    [
        pytest.param(True, ["/in"], True, id="an endpoint and an address: it is served"),
        pytest.param(True, [], False, id="no endpoint: nothing listens"),
        pytest.param(False, ["/in"], False, id="no address: nothing listens"),
    ],
)
async def test_a_manager_listens_only_where_there_is_something_to_serve(
    has_address: bool, paths: Sequence[str], served: bool
) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}" if has_address else None
    manager = Manager(FakeApiServer(), options=Options(endpoint_address=address))
    for path in paths:
        manager.add_endpoint(path, answer_ok)
    async with running(manager):
        assert await connects(port) is served
    assert not await connects(port)


class Stuck:
    """Keeps the stop of a manager waiting."""

    def __init__(self) -> None:
        self.draining, self.go_on, self.runs = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        self.runs.set()
        await asyncio.Event().wait()

    async def drain(self) -> None:
        self.draining.set()
        await self.go_on.wait()


async def test_what_needs_the_leader_is_answered_503_by_followers_and_by_a_leader_that_stops() -> None:
    server, work = FakeApiServer(), Stuck()
    ports = free_port(), free_port()
    leader, follower = (a_manager(server, port, election=Election(namespace="default")) for port in ports)
    for manager in (leader, follower):
        manager.add_endpoint("/decide", answer_ok, needs_leader=True)
        manager.add_endpoint("/any", answer_ok)
    leader.add_runnable(work)
    leads, follows = (f"http://127.0.0.1:{port}" for port in ports)
    async with running(leader):
        await work.runs.wait()
        async with running(follower):
            assert (await request("GET", f"{leads}/decide"))[:2] == (200, "ok")
            assert await request("GET", f"{follows}/decide") == (503, "this replica does not lead", "5")
            assert (await request("GET", f"{follows}/any"))[:2] == (200, "ok")
        leader.stop()
        await work.draining.wait()
        assert (await request("GET", f"{leads}/decide"))[0] == 503
        assert (await request("GET", f"{leads}/any"))[0] == 200
        work.go_on.set()


async def test_without_an_election_the_only_replica_answers_what_needs_the_leader() -> None:
    port, work = free_port(), Stuck()
    manager = a_manager(FakeApiServer(), port)
    manager.add_endpoint("/decide", answer_ok, needs_leader=True)
    manager.add_runnable(work)
    work.go_on.set()
    async with running(manager):
        await work.runs.wait()
        assert (await request("GET", f"http://127.0.0.1:{port}/decide"))[:2] == (200, "ok")


async def test_endpoints_are_added_before_the_start() -> None:
    manager = Manager(FakeApiServer())
    async with running(manager):
        with pytest.raises(RuntimeError, match="before the start"):
            manager.add_endpoint("/late", answer_ok)
