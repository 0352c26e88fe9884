"""Whose request a proxy passes on, where it is trusted, and who is limited for it."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from kubechain.runtime.endpoints import EndpointLimits, InboundEndpoint
from kubechain.runtime.floods import FloodLimits
from kubechain.runtime.proxies import HOPS_MAX, Network, client_of
from test.runtime.test_endpoints import raw_exchange, serving
from test.runtime.test_floods import Forger, connected

REAL_TIME = True

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    ("peer", "said", "trusted", "client"),
    [
        pytest.param("10.0.0.1", ["203.0.113.7"], (), "10.0.0.1", id="nobody is trusted"),
        pytest.param("192.0.2.1", ["203.0.113.7"], PROXIES, "192.0.2.1", id="the peer is no proxy"),
        pytest.param("10.0.0.1", ["203.0.113.7"], PROXIES, "203.0.113.7", id="one proxy"),
        pytest.param("::ffff:10.0.0.1", ["203.0.113.7"], PROXIES, "203.0.113.7", id="at a socket of both"),
        pytest.param("fd00::1", ["2001:db8::7"], PROXIES, "2001:db8::7", id="IPv6"),
        pytest.param("10.0.0.1", ["203.0.113.7, 10.0.0.2"], PROXIES, "203.0.113.7", id="two proxies"),
        pytest.param("10.0.0.1", ["203.0.113.7", "10.0.0.2"], PROXIES, "203.0.113.7", id="a header of each"),
        pytest.param("10.0.0.1", ["198.51.100.1, 203.0.113.7"], PROXIES, "203.0.113.7", id="the rest is invented"),
        pytest.param("10.0.0.1", ["10.9.9.9, 203.0.113.7"], PROXIES, "203.0.113.7", id="a proxy that is invented"),
        pytest.param("10.0.0.1", [], PROXIES, "10.0.0.1", id="no header"),
        pytest.param("10.0.0.1", ["203.0.113.7, unknown"], PROXIES, "10.0.0.1", id="no address"),
        pytest.param("10.0.0.1", ["10.0.0.3, 10.0.0.2"], PROXIES, "10.0.0.3", id="a client of the inside"),
    ],
)
def test_whose_request_it_is(peer: str, said: list[str], trusted: tuple[Network, ...], client: str) -> None:
    assert client_of(peer, said, trusted) == client


def test_a_long_header_is_not_read_to_its_end() -> None:
    said = ",".join(["203.0.113.7", *["10.0.0.2"] * (10 * HOPS_MAX)])
    assert client_of("10.0.0.1", [said], PROXIES) == "10.0.0.2"


def asked(client: str, times: int) -> bytes:
    head = f"POST /in HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {client}\r\nContent-Length: 0\r\n\r\n"
    return head.encode() * times


@pytest.mark.parametrize(
    ("trusted", "status"),
    [
        pytest.param(LOOPBACK, b"403", id="the other client of a trusted proxy is looked at"),
        pytest.param((), b"429", id="all of a proxy that is not trusted are one address"),
    ],
)
async def test_a_flood_of_one_client_costs_another_one_nothing(trusted: tuple[Network, ...], status: bytes) -> None:
    flood = FloodLimits(refusals_per_second=3.0, delay_seconds=0.0, trusted_proxies=trusted)
    async with serving(InboundEndpoint(path="/in", handler=Forger()), limits=EndpointLimits(flood=flood)) as server:
        assert b"HTTP/1.1 429" in await raw_exchange(server.port, asked("203.0.113.7", 20))
        other = asked("198.51.100.1", 1).replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n")
        assert (await raw_exchange(server.port, other)).startswith(b"HTTP/1.1 " + status)


async def test_the_connections_of_a_trusted_proxy_are_not_those_of_one_address() -> None:
    limits = EndpointLimits(flood=FloodLimits(connections_per_address=1, trusted_proxies=LOOPBACK))
    async with (
        serving(InboundEndpoint(path="/in", handler=Forger()), limits=limits) as server,
        connected(server.port),
        connected(server.port),
    ):
        last = asked("203.0.113.7", 1).replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n")
        assert (await raw_exchange(server.port, last)).startswith(b"HTTP/1.1 403")
