"""The proxies that tests put before the API server do what they say, whatever the server does."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from test.e2e.partitions import PartitionProxy
from test.e2e.resets import ResetProxy

PATIENCE_SECONDS = 10.0
SILENCE_SECONDS = 0.2


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A listening socket; what is accepted answers nothing and closes nothing by itself."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_SECONDS)
        yield listening


def joined(server: socket.socket, port: int) -> tuple[socket.socket, socket.socket]:
    """A client's connection through a proxy, and the server's end of it, over which both have heard of each other."""
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    peer, _ = server.accept()
    peer.settimeout(PATIENCE_SECONDS)
    client.sendall(b"hello")
    assert peer.recv(5) == b"hello"
    peer.sendall(b"welcome")
    assert client.recv(7) == b"welcome"
    return client, peer


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def test_a_connection_is_reset_although_its_server_closes_nothing(server: socket.socket) -> None:
    with ResetProxy(port_of(server)) as proxy:
        client, peer = joined(server, proxy.port)
        with client, peer, proxy.resetting(), pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_connection_is_reset_although_its_server_reads_nothing(server: socket.socket) -> None:
    with ResetProxy(port_of(server)) as proxy:
        client, peer = joined(server, proxy.port)
        with client, peer:
            client.settimeout(SILENCE_SECONDS)
            with pytest.raises(TimeoutError):
                client.sendall(b"x" * 50_000_000)
            client.settimeout(PATIENCE_SECONDS)
            with proxy.resetting(), pytest.raises(ConnectionError):
                client.recv(1)


def test_new_connections_are_reset_until_the_end_of_the_block(server: socket.socket) -> None:
    with ResetProxy(port_of(server)) as proxy:
        with (
            proxy.resetting(),
            socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE_SECONDS) as client,
            pytest.raises(ConnectionResetError),
        ):
            client.recv(1)
        client, peer = joined(server, proxy.port)
        client.close()
        assert peer.recv(1) == b""
        peer.close()


def test_behind_a_partition_nothing_passes_and_afterwards_all_of_it_arrives(server: socket.socket) -> None:
    with PartitionProxy(port_of(server)) as proxy:
        client, peer = joined(server, proxy.port)
        with client, peer:
            with proxy.cut():
                client.sendall(b"to the server")
                peer.sendall(b"to the client")
                for end in (client, peer):
                    end.settimeout(SILENCE_SECONDS)
                    with pytest.raises(TimeoutError):
                        end.recv(1)
                    end.settimeout(PATIENCE_SECONDS)
            assert (peer.recv(100), client.recv(100)) == (b"to the server", b"to the client")


def test_what_a_client_sent_before_it_gave_up_arrives_late(server: socket.socket) -> None:
    with PartitionProxy(port_of(server)) as proxy:
        client, peer = joined(server, proxy.port)
        with peer:
            with proxy.cut():
                client.sendall(b"late")
                client.close()
            assert (peer.recv(100), peer.recv(100)) == (b"late", b"")


def test_a_connection_that_is_made_behind_a_partition_is_served_afterwards(server: socket.socket) -> None:
    with PartitionProxy(port_of(server)) as proxy:
        with proxy.cut():
            client = socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE_SECONDS)
            server.settimeout(SILENCE_SECONDS)
            with pytest.raises(TimeoutError):
                server.accept()
            server.settimeout(PATIENCE_SECONDS)
        with client, server.accept()[0] as peer:
            peer.sendall(b"welcome")
            assert client.recv(7) == b"welcome"
