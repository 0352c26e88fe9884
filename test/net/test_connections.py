"""Connections are opened to checked addresses only, and a dead address of a name does not keep the others back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import httpcore2
import httpx2
import pytest

from kubechain.net import connections
from kubechain.net.addresses import NOT_METADATA, AddressNotAllowed, AddressPolicy
from kubechain.net.connections import CheckedNetwork, CheckedTransport
from kubechain.net.failures import cause
from kubechain.net.resolution import Lookup


def names(**known: Sequence[str]) -> Lookup:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return known[host.partition(".")[0]]

    return lookup


@asynccontextmanager
async def server() -> AsyncGenerator[int]:
    """An HTTP server on 127.0.0.1 that answers with the Host header; gives its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        host = next(line[6:] for line in head.split(b"\r\n") if line.lower().startswith(b"host:"))
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(host), host))
        await writer.drain()
        writer.close()

    running = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with running:
        yield running.sockets[0].getsockname()[1]


async def got(url: str, policy: AddressPolicy, **known: Sequence[str]) -> str:
    network = CheckedNetwork(policy, lookup=names(**known))
    async with httpx2.AsyncClient(transport=CheckedTransport(network), follow_redirects=False) as client:
        return (await client.get(url)).text


async def test_a_name_is_connected_to_by_a_checked_address_and_stays_in_the_request() -> None:
    async with server() as port:
        assert await got(f"http://model.example:{port}/", NOT_METADATA, model=["127.0.0.1"]) == f"model.example:{port}"


async def test_an_address_that_refuses_is_followed_by_the_next() -> None:
    async with server() as port:
        assert await got(f"http://model:{port}/", NOT_METADATA, model=["127.0.0.9", "127.0.0.1"]) == f"model:{port}"


async def test_an_address_that_does_not_answer_is_overtaken_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    connected = httpcore2.AsyncNetworkStream()
    asked: list[str] = []

    async def connect(address: str, *_: object) -> httpcore2.AsyncNetworkStream:
        asked.append(address)
        return connected if address == "127.0.0.2" else await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(connections, "connect", connect)
    network = CheckedNetwork(NOT_METADATA, lookup=names(model=["127.0.0.1", "127.0.0.2", "127.0.0.3"]))
    assert await network.connect_tcp("model", 80, timeout=10) is connected
    assert asked == ["127.0.0.1", "127.0.0.2"]


@pytest.mark.parametrize("addresses", [["169.254.169.254"], ["127.0.0.1", "169.254.169.254"], ["::ffff:a9fe:a9fe"]])
async def test_a_name_that_leads_to_a_metadata_service_is_not_connected_to(addresses: list[str]) -> None:
    with pytest.raises(AddressNotAllowed, match="address refused: rebind"):
        await got("http://rebind:1/", NOT_METADATA, rebind=addresses)


async def test_a_name_that_does_not_resolve_is_a_failure_to_connect() -> None:
    with pytest.raises(httpx2.ConnectError) as caught:
        await got("http://nowhere/", NOT_METADATA, nowhere=[])
    assert cause(caught.value) == "its name does not resolve"


async def test_a_server_that_is_not_there_is_a_failure_to_connect() -> None:
    async with server() as port:
        pass
    with pytest.raises(httpx2.ConnectError) as caught:
        await got(f"http://model:{port}/", NOT_METADATA, model=["127.0.0.1", "127.0.0.2"])
    assert cause(caught.value) == "connection refused"


async def test_time_to_connect_includes_the_lookup() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return await asyncio.get_running_loop().create_future()

    with pytest.raises(httpcore2.ConnectTimeout):
        await CheckedNetwork(NOT_METADATA, lookup=lookup).connect_tcp("slow", 80, timeout=0.01)
