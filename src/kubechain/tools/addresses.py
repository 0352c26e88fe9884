"""Where a tool may connect to: public addresses, and what the manager's owner allows besides.

Used by `http` for each connection, redirects included. A Tool is written by a tenant, and what it fetches by a model;
neither may reach the node, the cloud's metadata service, the API server or another tenant's service through us.

Names are resolved once, every address of a name is checked, and the caller connects to a checked address, never to the
name, so that DNS cannot change its mind in between. Odd spellings of addresses (octal, hex, one big number, a zone) are
refused rather than understood: no honest URL has them, and each reader understands them differently.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from kubechain.tools.model import AddressRefused, NotExecuted

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}")
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)$")
"""What URL readers take for an IPv4 address, in whatever spelling."""

_INTERNAL_SUFFIXES = (".localhost", ".local", ".localdomain", ".internal", ".intranet", ".lan", ".home.arpa", ".svc")
_CLUSTER_SERVICE = re.compile(r"(?:^|\.)kubernetes(?:\.|$)|\.svc\.|\.(?:default|kube-system)$")

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_REFUSED_NETWORKS: tuple[Network, ...] = (
    # What Python's releases do not agree on, or take for public.
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's host agent: hands out credentials, on a public address
    ipaddress.IPv4Network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata service
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays from IPv4 into 6to4
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 of one's own network
    ipaddress.IPv6Network("2001::/23"),  # protocol assignments; Teredo
    ipaddress.IPv6Network("2001:db8::/32"),  # documentation
    ipaddress.IPv6Network("3fff::/20"),  # documentation
    ipaddress.IPv6Network("5f00::/16"),  # segment routing
    ipaddress.IPv6Network("fec0::/10"),  # site-local
)


class Lookup(Protocol):
    """Resolves a name; the system's resolver, or a fake."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Give the addresses of `host`. Raises OSError when there are none."""
        ...


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What may be connected to besides public addresses, and what may not.

    Attributes:
        allow: Networks that are allowed although they are not public.
        allow_hosts: Names that are allowed although they are internal, and that may resolve to private addresses (to
            loopback or link-local ones only where `allow` has them). `.example.svc` stands for all names below.
        deny: Networks that are refused although they are public or allowed, such as a cluster's own public range.
    """

    allow: tuple[Network, ...] = ()
    allow_hosts: frozenset[str] = frozenset()
    deny: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, allow: Iterable[str], *, deny: Iterable[str] = ()) -> Self:
        """Read what a person wrote: networks, addresses and host names.

        Raises:
            ValueError: An entry is none of these.
        """
        networks: list[Network] = []
        hosts: set[str] = set()
        for entry in allow:
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError:
                hosts.add(_host_entry(entry))
        return cls(tuple(networks), frozenset(hosts), tuple(ipaddress.ip_network(entry) for entry in deny))

    def check_host(self, host: str) -> Address | str:
        """Check what stands in a URL: an address, or a name that is fit to be resolved.

        Args:
            host: In ASCII (IDNA), without brackets.

        Raises:
            AddressRefused: It may not be connected to.
        """
        name = host.lower()
        literal = _literal(name)
        if literal is not None:
            self.check_address(literal, shown=host)
            return literal
        name = name.removesuffix(".")
        if not _HOST_NAME.fullmatch(name) or _ENDS_IN_NUMBER.search(name):
            raise AddressRefused(
                f"address refused: {_shown(host)}: neither a host name nor an address as usually written"
            )
        if _is_internal(name) and not self.allows_name(name):
            raise AddressRefused(f"address refused: {_shown(host)}: the name is internal to the cluster or the machine")
        return name

    def check_address(self, address: Address, *, shown: str, is_allowed_name: bool = False) -> None:
        """Check one address.

        Args:
            address: Where a connection would go.
            shown: What to call it in the message: for a resolved name the name, since the address tells about our DNS.
            is_allowed_name: Whether the name it comes from is in `allow_hosts`.

        Raises:
            AddressRefused: It may not be connected to.
        """
        real = _carried(address)
        if _within(address, self.deny) or _within(real, self.deny):
            raise AddressRefused(f"address refused: {_shown(shown)}: denied by the manager")
        if _within(address, self.allow) or _within(_unmapped(address), self.allow):
            return
        reason = _why_not_public(real)
        if reason is None or (reason == _PRIVATE and is_allowed_name):
            return
        raise AddressRefused(f"address refused: {_shown(shown)}: {reason}")

    def allows_name(self, name: str) -> bool:
        """Whether a name, in lower case and without a final dot, is in `allow_hosts`."""
        parents = (name[match.start() :] for match in re.finditer(r"\.", name))
        return name in self.allow_hosts or any(parent in self.allow_hosts for parent in parents)


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def resolve(host: str, port: int, *, policy: AddressPolicy, lookup: Lookup = system_lookup) -> tuple[str, ...]:
    """Find where to connect to for a URL's host: only addresses that were checked.

    Raises:
        AddressRefused: The host, or any one of its addresses, may not be connected to.
        NotExecuted: The name does not resolve.
    """
    checked = policy.check_host(host)
    if not isinstance(checked, str):
        return (str(_unmapped(checked)),)
    is_allowed_name = policy.allows_name(checked)
    # With a final dot the resolver does not try the cluster's search domains: `vault.prod` is no service of ours.
    found = await _looked_up(lookup, checked if is_allowed_name else f"{checked}.", port)
    for address in found:
        policy.check_address(address, shown=checked, is_allowed_name=is_allowed_name)
    return tuple(str(_unmapped(address)) for address in found)


async def _looked_up(lookup: Lookup, name: str, port: int) -> list[Address]:
    shown = _shown(name.removesuffix("."))
    try:
        found = [ipaddress.ip_address(address) for address in await lookup(name, port)]
    except (OSError, UnicodeError) as error:
        raise NotExecuted(f"unreachable: {shown}: its name does not resolve") from error
    except ValueError as error:
        raise AddressRefused(f"address refused: {shown}: it resolves to something odd") from error
    if not found:
        raise NotExecuted(f"unreachable: {shown}: its name does not resolve")
    return found


_PRIVATE = "not a public address"


def _why_not_public(address: Address) -> str | None:
    """Say why an address is not public; None when it is."""
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_unspecified or address.is_multicast or _within(address, _REFUSED_NETWORKS):
        return "a reserved address"
    if isinstance(address, ipaddress.IPv6Address) and address in _IPV4_COMPATIBLE:
        return "a reserved address"
    return None if address.is_global else _PRIVATE


def _carried(address: Address) -> Address:
    """The address that packets to this one end at: that inside it, where IPv6 carries IPv4."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def _unmapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _literal(host: str) -> Address | None:
    if "%" in host:
        raise AddressRefused(f"address refused: {_shown(host)}: an address with a zone")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_internal(name: str) -> bool:
    return "." not in name or name.endswith(_INTERNAL_SUFFIXES) or _CLUSTER_SERVICE.search(name) is not None


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _host_entry(entry: str) -> str:
    name = entry.lower().removeprefix("*").removesuffix(".")
    if not _HOST_NAME.fullmatch(name.removeprefix(".")) or _ENDS_IN_NUMBER.search(name):
        raise ValueError(f'neither a network nor a host name: "{entry}"')
    return name


def _shown(host: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in host[:100])
