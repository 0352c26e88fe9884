"""The process's event loop owns the descriptors that it is given; test/e2e/cases has a whole process under resets."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from typing import cast

import pytest

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
