"""Connections as httpcore2 sees them, on the standard event loop and on the one that the manager runs on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore2
import pytest

from kubechain.net.streams import HIGH_WATER_BYTES, SocketStream, connect
from kubechain.net.tls import client_context
from kubechain.runtime.eventloop import loop_factory
from test.net.certificates import signed

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Story = Callable[[], Awaitable[None]]

LOOPS = [
    pytest.param(asyncio.new_event_loop, id="the standard loop"),
    pytest.param(loop_factory(), id="the manager's loop"),
]
on_both_loops = pytest.mark.parametrize("loop", LOOPS)


def run(loop: Callable[[], asyncio.AbstractEventLoop], story: Story) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await story()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(bounded())


@asynccontextmanager
async def connected(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[SocketStream]:
    """A stream to a server that does this with its one connection."""
    served = asyncio.Event()

    async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.transport.abort()
            served.set()

    server = await asyncio.start_server(serving, "127.0.0.1", 0, ssl=tls)
    async with server:
        stream = await connect("127.0.0.1", server.sockets[0].getsockname()[1])
        try:
            yield stream
        finally:
            await stream.aclose()
            await served.wait()


async def until_closed(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


@on_both_loops
def test_what_is_sent_is_read_in_pieces_up_to_the_end(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    size = 8 * HIGH_WATER_BYTES

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(5) == b"Hello"
        writer.write(b"x" * size)
        await writer.drain()

    async def story() -> None:
        async with connected(serve) as stream:
            await stream.write(b"Hello", timeout=5)
            received = 0
            while received < size:
                piece = await stream.read(1000, timeout=5)
                assert 0 < len(piece) <= 1000
                received += len(piece)

    run(loop, story)


@on_both_loops
def test_a_server_that_sends_more_than_is_read_has_to_wait(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * (64 * HIGH_WATER_BYTES))
        await reader.read()

    async def story() -> None:
        async with connected(serve) as stream:
            await stream.read(1, timeout=5)
            idle = 0
            while idle < 50:
                before = stream.unread_bytes
                await asyncio.sleep(0)
                idle = idle + 1 if stream.unread_bytes == before else 0
            assert stream.unread_bytes < 3 * HIGH_WATER_BYTES

    run(loop, story)


@on_both_loops
def test_nothing_received_in_time_and_nothing_taken_in_time_are_told_apart(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    released = asyncio.Event()

    async def serve(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await released.wait()

    async def story() -> None:
        async with connected(serve) as stream:
            with pytest.raises(httpcore2.ReadTimeout):
                await stream.read(10, timeout=0.01)
            with pytest.raises(httpcore2.WriteTimeout):
                await stream.write(b"x" * 64_000_000, timeout=0.01)
            released.set()

    run(loop, story)


@on_both_loops
def test_an_idle_connection_whose_server_hung_up_is_known_before_it_is_used(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(1))
        await reader.readexactly(1)

    async def story() -> None:
        async with connected(serve) as stream:
            await stream.write(b"a", timeout=5)
            assert await stream.read(10, timeout=5) == b"a"
            assert not stream.get_extra_info("is_readable")
            await stream.write(b"b", timeout=5)
            while not stream.get_extra_info("is_readable"):  # noqa: ASYNC110  (the stream tells nobody)
                await asyncio.sleep(0)
            assert await stream.read(10, timeout=5) == b""

    run(loop, story)


@on_both_loops
def test_over_tls_the_connection_is_read_written_and_verified(
    loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    made = signed(tmp_path, "a strict one")
    trusting = ssl.create_default_context(cafile=str(made.authority))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(5))
        await writer.drain()
        await reader.read()

    async def story() -> None:
        async with connected(serve, tls=made.server_side()) as stream:
            secured = await stream.start_tls(trusting, server_hostname="127.0.0.1", timeout=5)
            assert secured.get_extra_info("ssl_object") is not None
            await secured.write(b"Hello", timeout=5)
            assert await secured.read(10, timeout=5) == b"Hello"

    run(loop, story)


@on_both_loops
@pytest.mark.parametrize("first", [b"220 mail.test ESMTP\r\n", b""], ids=["speaks first", "hangs up"])
def test_a_server_without_tls_fails_the_handshake_at_once(
    loop: Callable[[], asyncio.AbstractEventLoop], first: bytes
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await writer.drain()
        if first:
            await reader.read()

    async def story() -> None:
        async with connected(serve) as stream:
            for _ in range(50):
                await asyncio.sleep(0)  # what the server says first is here before the handshake begins
            with pytest.raises(httpcore2.ConnectError):
                await stream.start_tls(client_context(), server_hostname="mail.test", timeout=20)

    run(loop, story)


@on_both_loops
def test_a_handshake_that_nobody_answers_ends_in_time(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def story() -> None:
        async with connected(until_closed) as stream:
            with pytest.raises(httpcore2.ConnectTimeout):
                await stream.start_tls(client_context(), server_hostname="silent.test", timeout=0.05)

    run(loop, story)


@on_both_loops
def test_a_port_that_nobody_listens_on_is_a_failure_to_connect(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def story() -> None:
        with pytest.raises(httpcore2.ConnectError):
            await connect("127.0.0.1", 1)

    run(loop, story)
