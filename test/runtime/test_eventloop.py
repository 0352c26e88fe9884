"""The process's event loop owns the descriptors that it is given; test/e2e/cases has a whole process under resets."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from kubechain.runtime import eventloop
from kubechain.runtime.eventloop import loop_factory


class _Aborts(asyncio.Protocol):
    """The connection ends between its start and the return of `create_connection`, as a reset may end it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


async def _connect(address: tuple[str, int], protocol: type[asyncio.Protocol]) -> tuple[int, socket.socket]:
    loop = asyncio.get_running_loop()
    ours = socket.socket()
    ours.setblocking(False)
    await loop.sock_connect(ours, address)
    descriptor = ours.fileno()
    transport, _ = await loop.create_connection(protocol, sock=ours)
    transport.abort()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return descriptor, ours


def test_a_connection_that_ends_while_it_is_made_does_not_close_the_descriptor_of_another(
    listener: socket.socket,
) -> None:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        descriptor, ours = runner.run(_connect(listener.getsockname(), _Aborts))
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
        other = os.dup2(listener.fileno(), descriptor)  # as the next connection gets the number
        del ours
        os.fstat(other)
        os.close(other)


@pytest.mark.parametrize("protocol", [_Aborts, asyncio.Protocol], ids=["aborted at its start", "aborted later"])
def test_the_socket_given_is_the_transport_s_alone(listener: socket.socket, protocol: type[asyncio.Protocol]) -> None:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        _, ours = runner.run(_connect(listener.getsockname(), protocol))
        assert ours.fileno() == -1


class NameServer:
    """In place of the system's resolver: answers when it is let, and knows the threads that wait for it."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked = threading.Semaphore(0)
        self.waiting: list[threading.Thread] = []

    def getaddrinfo(self, host: str, port: int, **options: Any) -> list[Any]:
        del port, options
        self.waiting.append(threading.current_thread())
        self.asked.release()
        self.answers.wait()
        if host == "unknown.test":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 25))]


@pytest.fixture
def nameserver(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    it = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", it.getaddrinfo)
    yield it
    it.answers.set()
    for thread in it.waiting:
        thread.join()


async def _give_up(nameserver: NameServer, count: int) -> None:
    """Look up names that nobody resolves, and wait for none of them any more."""
    loop = asyncio.get_running_loop()
    looking = [asyncio.ensure_future(loop.getaddrinfo("mail.test", 25)) for _ in range(count)]
    for _ in looking:
        await asyncio.to_thread(nameserver.asked.acquire)
    for one in looking:
        one.cancel()
    await asyncio.gather(*looking, return_exceptions=True)


def test_the_end_of_the_process_waits_for_no_name_server(nameserver: NameServer) -> None:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_give_up(nameserver, 5))
    assert [thread.is_alive() and thread.daemon for thread in nameserver.waiting] == [True] * 5


def test_a_name_is_looked_up_and_one_that_nobody_knows_is_an_error(nameserver: NameServer) -> None:
    nameserver.answers.set()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        loop = runner.get_loop()
        [found] = runner.run(loop.getaddrinfo("mail.test", 25, type=socket.SOCK_STREAM))
        assert found[4] == ("192.0.2.7", 25)
        with pytest.raises(socket.gaierror):
            runner.run(loop.getaddrinfo("unknown.test", 25))


def test_a_lookup_that_was_given_up_counts_until_it_ends(
    nameserver: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventloop, "LOOKUPS_MAX", 2)

    async def look() -> None:
        await _give_up(nameserver, 2)
        third = asyncio.ensure_future(asyncio.get_running_loop().getaddrinfo("mail.test", 25))
        done, _ = await asyncio.wait({third}, timeout=0.05)
        assert (len(done), len(nameserver.waiting)) == (0, 2)
        nameserver.answers.set()
        assert len(await third) == 1

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(look())
