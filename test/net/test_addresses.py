"""Every way to spell an address that must not be reached, and every way around the check."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from kubechain.net.addresses import NOT_METADATA, PUBLIC, AddressNotAllowed, AddressPolicy
from kubechain.net.resolution import NameNotResolved, resolve

OUTSIDE = "93.184.215.14"


class Names:
    """A resolver that answers what it was told, in turn, and counts how often it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


def resolved(host: str, *addresses: str, policy: AddressPolicy | None = None) -> tuple[str, ...]:
    return asyncio.run(resolve(host, 80, policy=policy or PUBLIC, lookup=Names(addresses)))


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("127.8.9.10", id="all of loopback"),
        pytest.param("127.1", id="loopback, short"),
        pytest.param("2130706433", id="loopback, one number"),
        pytest.param("0x7f000001", id="loopback, one hex number"),
        pytest.param("0x7f.0.0.1", id="loopback, hex in part"),
        pytest.param("0x7f.1", id="loopback, hex and short"),
        pytest.param("0177.0.0.1", id="loopback, octal"),
        pytest.param("017700000001", id="loopback, one octal number"),
        pytest.param("127.0.0.1.", id="loopback, final dot"),
        pytest.param("0", id="this host, one digit"),
        pytest.param("0.0.0.0", id="this host"),
        pytest.param("::", id="this host, IPv6"),
        pytest.param("::1", id="loopback, IPv6"),
        pytest.param("0:0:0:0:0:0:0:1", id="loopback, IPv6 in full"),
        pytest.param("::ffff:127.0.0.1", id="loopback, mapped"),
        pytest.param("::ffff:7f00:1", id="loopback, mapped, hex"),
        pytest.param("::127.0.0.1", id="loopback, IPv4-compatible"),
        pytest.param("64:ff9b::7f00:1", id="loopback through NAT64"),
        pytest.param("::ffff:0:127.0.0.1", id="loopback, translated"),
        pytest.param("::127.0.0.1", id="loopback, compatible"),
        pytest.param("2a00:1450:4001::5efe:7f00:1", id="loopback through ISATAP"),
        pytest.param("2a00:1450:4001::200:5efe:a00:1", id="a private address through ISATAP"),
        pytest.param("2002:808:808::5efe:7f00:1", id="loopback through ISATAP, under 6to4 of a public address"),
        pytest.param("fd00::5efe:808:808", id="a private prefix before a public address"),
        pytest.param("::ffff:0:0:1", id="neither mapped nor translated"),
        pytest.param("4000::1", id="given out to nobody"),
        pytest.param("100::1", id="discarded"),
        pytest.param("64:ff9b:1::a00:1", id="local NAT64"),
        pytest.param("2002:7f00:1::", id="loopback through 6to4"),
        pytest.param("2001:0:4136:e378:8000:63bf:80ff:fffe", id="Teredo"),
        pytest.param("169.254.169.254", id="metadata service"),
        pytest.param("2852039166", id="metadata service, one number"),
        pytest.param("0xa9fea9fe", id="metadata service, one hex number"),
        pytest.param("0xA9.0xFE.0xA9.0xFE", id="metadata service, hex in capitals"),
        pytest.param("0251.0376.0251.0376", id="metadata service, octal"),
        pytest.param("169.254.43518", id="metadata service, three parts"),
        pytest.param("::ffff:169.254.169.254", id="metadata service, mapped"),
        pytest.param("::ffff:a9fe:a9fe", id="metadata service, mapped, hex"),
        pytest.param("64:ff9b::a9fe:a9fe", id="metadata service through NAT64"),
        pytest.param("2002:a9fe:a9fe::", id="metadata service through 6to4"),
        pytest.param("fd00:ec2::254", id="metadata service of AWS, IPv6"),
        pytest.param("100.100.100.200", id="metadata service of Alibaba"),
        pytest.param("192.0.0.192", id="metadata service of Oracle"),
        pytest.param("168.63.129.16", id="host agent of Azure, on a public address"),
        pytest.param("metadata.google.internal", id="metadata service of Google, by name"),
        pytest.param("METADATA.Google.Internal.", id="metadata service of Google, capitals and a final dot"),
        pytest.param("metadata", id="metadata service, short name"),
        pytest.param("fe80::1", id="link-local"),
        pytest.param("fe80::1%eth0", id="link-local with a zone"),
        pytest.param("fe80::1%25eth0", id="link-local with an encoded zone"),
        pytest.param("::1%lo", id="loopback with a zone"),
        pytest.param("fec0::1", id="site-local"),
        pytest.param("fc00::1", id="unique local"),
        pytest.param("10.96.0.1", id="API server in many clusters"),
        pytest.param("172.16.0.1", id="private, 172.16"),
        pytest.param("192.168.1.1", id="private, 192.168"),
        pytest.param("100.64.0.1", id="carrier-grade NAT"),
        pytest.param("198.18.0.1", id="benchmarks"),
        pytest.param("192.88.99.1", id="6to4 relay"),
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("ff02::1", id="multicast, IPv6"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("255.255.255.255", id="broadcast"),
        pytest.param("localhost", id="localhost"),
        pytest.param("LocalHost.", id="localhost, final dot"),
        pytest.param("a.localhost", id="below localhost"),
        pytest.param("localhost.localdomain", id="localhost in full"),
        pytest.param("kubernetes", id="API server, short name"),
        pytest.param("kubernetes.default", id="API server, two parts"),
        pytest.param("kubernetes.default.svc", id="API server, three parts"),
        pytest.param("kubernetes.default.svc.cluster.local", id="API server in full"),
        pytest.param("kubernetes.default.svc.example.com", id="API server, another cluster domain"),
        pytest.param("vault.prod.svc", id="a service"),
        pytest.param("vault.prod.svc.cluster.local.", id="a service in full, final dot"),
        pytest.param("vault", id="a service of one's own namespace"),
        pytest.param("10-1-2-3.prod.pod.cluster.local", id="a pod"),
        pytest.param("printer.local", id="mDNS"),
        pytest.param("a_b c.com", id="a space"),
        pytest.param("a.com\r\nx", id="a line break"),
        pytest.param("a..com", id="two dots"),
        pytest.param("", id="nothing"),
        pytest.param(".", id="only a dot"),
        pytest.param("-x.com.1", id="a last label that is a number"),
    ],
)
def test_an_internal_host_is_refused_whatever_its_spelling_and_whatever_dns_says(host: str) -> None:
    with pytest.raises(AddressNotAllowed):
        resolved(host, OUTSIDE)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param(OUTSIDE, (OUTSIDE,), id="a public address"),
        pytest.param(f"::ffff:{OUTSIDE}", (OUTSIDE,), id="a public address, mapped: unmapped"),
        pytest.param("2606:2800:220:1::1", ("2606:2800:220:1::1",), id="a public IPv6 address"),
        pytest.param("api.example.com", ("8.8.8.8",), id="a name"),
        pytest.param("API.Example.Com.", ("8.8.8.8",), id="a name in capitals with a final dot"),
        pytest.param("xn--bcher-kva.example", ("8.8.8.8",), id="an internationalised name"),
        pytest.param("my-kubernetes.example.com", ("8.8.8.8",), id="a name that merely contains kubernetes"),
    ],
)
def test_a_public_host_is_resolved(host: str, expected: tuple[str, ...]) -> None:
    assert resolved(host, "8.8.8.8") == expected


@pytest.mark.parametrize("bad", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "::ffff:10.0.0.1", "fe80::1%eth0"])
def test_one_internal_address_among_those_of_a_name_is_enough_to_refuse_it(bad: str) -> None:
    with pytest.raises(AddressNotAllowed) as caught:
        resolved("rebind.example.com", OUTSIDE, bad)
    assert bad not in str(caught.value), "what a name resolves to inside is not the tenant's business"


async def test_a_name_is_resolved_once_so_that_dns_cannot_change_its_mind_and_never_in_search_domains() -> None:
    names = Names([OUTSIDE], ["127.0.0.1"])
    assert await resolve("rebind.example.com", 80, policy=PUBLIC, lookup=names) == (OUTSIDE,)
    assert names.asked == ["rebind.example.com."]


@pytest.mark.parametrize("answer", [OSError("no such name"), UnicodeError("label too long")])
async def test_a_name_that_does_not_resolve_was_certainly_not_called(answer: Exception) -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        raise answer

    with pytest.raises(NameNotResolved, match="does not resolve"):
        await resolve("nowhere.example.com", 80, policy=PUBLIC, lookup=lookup)


@pytest.mark.parametrize(
    ("allow", "host", "addresses"),
    [
        pytest.param(["127.0.0.0/8"], "127.0.0.1", [], id="a network, by address"),
        pytest.param(["127.0.0.0/8"], "::ffff:127.0.0.1", [], id="a network, by mapped address"),
        pytest.param(["10.0.0.7"], "intranet.example.com", ["10.0.0.7"], id="one address, by a public name"),
        pytest.param(
            ["vault.prod.svc"], "vault.prod.svc", ["10.96.3.4"], id="an internal name and its private address"
        ),
        pytest.param(["*.prod.svc"], "vault.prod.svc", ["10.96.3.4"], id="all names below one"),
        pytest.param(["localhost", "127.0.0.1"], "localhost", ["127.0.0.1"], id="localhost, by name and address"),
    ],
)
def test_what_the_manager_allows_is_allowed(allow: list[str], host: str, addresses: list[str]) -> None:
    assert resolved(host, *addresses, policy=AddressPolicy.parse(allow))


@pytest.mark.parametrize(
    ("allow", "host", "addresses"),
    [
        pytest.param(["127.0.0.0/8"], "::1", [], id="another network"),
        pytest.param(["vault.prod.svc"], "vault.prod.svc", ["127.0.0.1"], id="an allowed name that leads to loopback"),
        pytest.param(["vault.prod.svc"], "vault.prod.svc", ["169.254.169.254"], id="an allowed name, metadata service"),
        pytest.param(["*.prod.svc"], "vault.test.svc", ["10.96.3.4"], id="a name below another one"),
        pytest.param(["prod.svc"], "vault.prod.svc", ["10.96.3.4"], id="a name below one that is allowed alone"),
        pytest.param(["*.prod.svc"], "evilprod.svc", ["10.96.3.4"], id="a name that ends alike"),
        pytest.param(["10.0.0.0/8"], "vault.prod.svc", ["10.96.3.4"], id="an internal name, its network allowed"),
    ],
)
def test_an_allowance_does_not_stretch(allow: list[str], host: str, addresses: list[str]) -> None:
    with pytest.raises(AddressNotAllowed):
        resolved(host, *addresses, policy=AddressPolicy.parse(allow))


def test_a_denial_beats_an_allowance() -> None:
    policy = AddressPolicy.parse(["10.0.0.0/8"], deny=["10.96.0.0/12", "93.184.0.0/16"])
    assert resolved("10.0.0.1", policy=policy)
    for host in ("10.96.0.1", OUTSIDE):
        with pytest.raises(AddressNotAllowed, match="denied"):
            resolved(host, policy=policy)


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "127.1", "a b", "", "http://x.com"])
def test_an_allowance_that_makes_no_sense_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        AddressPolicy.parse([entry])


HOSTILE = [
    pytest.param("169.254.169.254", id="metadata service"),
    pytest.param("169.254.169.254.", id="metadata service, final dot"),
    pytest.param("2852039166", id="metadata service, one number"),
    pytest.param("0xA9FEA9FE", id="metadata service, one hex number"),
    pytest.param("0xa9.0xfe.0xa9.0xfe", id="metadata service, hex"),
    pytest.param("0251.0376.0251.0376", id="metadata service, octal"),
    pytest.param("169.254.43518", id="metadata service, three parts"),
    pytest.param("169.16689662", id="metadata service, two parts"),
    pytest.param("::ffff:169.254.169.254", id="metadata service, mapped"),
    pytest.param("::ffff:a9fe:a9fe", id="metadata service, mapped, hex"),
    pytest.param("::FFFF:A9FE:A9FE", id="metadata service, mapped, hex in capitals"),
    pytest.param("0:0:0:0:0:ffff:a9fe:a9fe", id="metadata service, mapped, in full"),
    pytest.param("::169.254.169.254", id="metadata service, IPv4-compatible"),
    pytest.param("64:ff9b::a9fe:a9fe", id="metadata service through NAT64"),
    pytest.param("::ffff:0:169.254.169.254", id="metadata service, translated"),
    pytest.param("fd00::5efe:a9fe:a9fe", id="metadata service through ISATAP"),
    pytest.param("64:ff9b:1::a9fe:a9fe", id="metadata service through a NAT64 of one's own"),
    pytest.param("2002:a9fe:a9fe::", id="metadata service through 6to4"),
    pytest.param("2001:0:4136:e378:8000:63bf:5601:5601", id="metadata service through Teredo"),
    pytest.param("169.254.170.2", id="credentials of ECS tasks"),
    pytest.param("169.254.170.23", id="credentials of EKS pods"),
    pytest.param("fd00:ec2::254", id="metadata service of AWS, IPv6"),
    pytest.param("fd00:ec2:0:0::254", id="metadata service of AWS, IPv6 in full"),
    pytest.param("fd00:ec2::23", id="credentials of EKS pods, IPv6"),
    pytest.param("fd20:ce::254", id="metadata service of Google, IPv6"),
    pytest.param("100.100.100.200", id="metadata service of Alibaba"),
    pytest.param("0x646464c8", id="metadata service of Alibaba, one hex number"),
    pytest.param("192.0.0.192", id="metadata service of Oracle"),
    pytest.param("168.63.129.16", id="host agent of Azure, on a public address"),
    pytest.param("metadata.google.internal", id="metadata service of Google, by name"),
    pytest.param("METADATA.Google.Internal.", id="metadata service of Google, capitals and a final dot"),
    pytest.param("metadata.goog", id="metadata service of Google, its other name"),
    pytest.param("instance-data.ec2.internal", id="metadata service of AWS, by name"),
    pytest.param("fe80::1", id="link-local"),
    pytest.param("fe80::1%eth0", id="link-local with a zone"),
    pytest.param("fe80::a9fe:a9fe%25eth0", id="link-local with an encoded zone"),
    pytest.param("0.0.0.0", id="this host"),
    pytest.param("0", id="this host, one digit"),
    pytest.param("::", id="this host, IPv6"),
    pytest.param("224.0.0.1", id="multicast"),
    pytest.param("ff02::1", id="multicast, IPv6"),
]


@pytest.mark.parametrize("policy", [NOT_METADATA, PUBLIC], ids=["models and MCP servers", "HTTP tools"])
@pytest.mark.parametrize("host", HOSTILE)
def test_a_metadata_service_is_refused_for_everybody_whatever_its_spelling(host: str, policy: AddressPolicy) -> None:
    with pytest.raises(AddressNotAllowed, match=r"^address refused: "):
        resolved(host, OUTSIDE, policy=policy)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param("127.0.0.1", ("127.0.0.1",), id="loopback"),
        pytest.param("127.1", ("127.0.0.1",), id="loopback, short"),
        pytest.param("::1", ("::1",), id="loopback, IPv6"),
        pytest.param("localhost", ("10.0.0.7",), id="localhost"),
        pytest.param("10.1.2.3", ("10.1.2.3",), id="a private address"),
        pytest.param("fc00::1", ("fc00::1",), id="a unique local address"),
        pytest.param("100.64.0.1", ("100.64.0.1",), id="carrier-grade NAT"),
        pytest.param(OUTSIDE, (OUTSIDE,), id="a public address"),
        pytest.param("vllm", ("10.0.0.7",), id="a service of one's own namespace"),
        pytest.param("vllm.models.svc.cluster.local.", ("10.0.0.7",), id="a service in full, final dot"),
        pytest.param("metadata.example.com", ("10.0.0.7",), id="another host named metadata"),
        pytest.param("64:ff9b::5db8:d70e", ("64:ff9b::5db8:d70e",), id="a public address through NAT64"),
    ],
)
def test_models_and_mcp_servers_are_reached_anywhere_else(host: str, expected: tuple[str, ...]) -> None:
    assert resolved(host, "10.0.0.7", policy=NOT_METADATA) == expected


@pytest.mark.parametrize("bad", ["169.254.169.254", "::ffff:a9fe:a9fe", "fd00:ec2::254", "fe80::1%eth0", "0.0.0.0"])
def test_a_name_that_resolves_to_a_metadata_service_is_refused(bad: str) -> None:
    with pytest.raises(AddressNotAllowed) as caught:
        resolved("rebind.example.com", "10.0.0.7", bad, policy=NOT_METADATA)
    assert str(caught.value).startswith("address refused: rebind.example.com: ")
    assert bad not in str(caught.value)


async def test_names_of_models_are_completed_by_search_domains() -> None:
    names = Names(["10.0.0.7"])
    await resolve("vllm.models", 80, policy=NOT_METADATA, lookup=names)
    assert names.asked == ["vllm.models"]
