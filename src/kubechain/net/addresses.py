"""Address policies: which hosts and addresses KubeChain may connect to on behalf of a tenant. Pure.

    PUBLIC            allows public addresses and the exceptions of the policy; for HTTP tools
    NOT_METADATA      allows all addresses except metadata services, link-local and reserved addresses; for model
                      providers and MCP servers, which often run on the same machine or in the same cluster

`PUBLIC` prevents a tenant or a model from reaching the node, the cloud's metadata service, the API server or the
service of another tenant through KubeChain. It refuses unusual spellings of an address (octal, hexadecimal, a single
integer, a zone): valid URLs do not need them, and URL parsers disagree about their meaning. `NOT_METADATA` parses them
as the system's resolver does, and checks the resulting address.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}")
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)$")
"""Matches a host that URL parsers treat as an IPv4 address, in any spelling."""

_INTERNAL_SUFFIXES = (".localhost", ".local", ".localdomain", ".internal", ".intranet", ".lan", ".home.arpa", ".svc")
_CLUSTER_SERVICE = re.compile(r"(?:^|\.)kubernetes(?:\.|$)|\.svc\.|\.(?:default|kube-system)$")

_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"})
_METADATA_ADDRESSES: tuple[Network, ...] = (
    # Metadata addresses outside the link-local range 169.254.0.0/16, which all clouds use.
    ipaddress.IPv6Network("fd00:ec2::254/128"),  # AWS
    ipaddress.IPv6Network("fd00:ec2::23/128"),  # AWS: credentials of pods
    ipaddress.IPv6Network("fd20:ce::254/128"),  # Google Cloud
    ipaddress.IPv4Network("100.100.100.200/32"),  # Alibaba Cloud
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's host agent: serves credentials, on a public address
    ipaddress.IPv4Network("192.0.0.192/32"),  # Oracle Cloud
)

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_TRANSLATED = ipaddress.IPv6Network("::ffff:0:0:0/96")  # RFC 2765
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # what IANA has given out; all else is reserved or private
_UNIQUE_LOCAL = ipaddress.IPv6Network("fc00::/7")
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""The 32 bits before the IPv4 address in an ISATAP interface identifier (RFC 5214), under any prefix."""
_TRANSLATED: tuple[Network, ...] = (
    _IPV4_COMPATIBLE,
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # local-use NAT64 (RFC 8215)
    ipaddress.IPv6Network("2001::/32"),  # Teredo
)
_NOT_PUBLIC: tuple[Network, ...] = (
    # Networks that some or all Python releases classify as public.
    *_METADATA_ADDRESSES,
    ipaddress.IPv4Network("192.0.0.0/24"),  # protocol assignments
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays from IPv4 to 6to4
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # local-use NAT64 (RFC 8215)
    ipaddress.IPv6Network("2001::/23"),  # protocol assignments; Teredo
    ipaddress.IPv6Network("2001:db8::/32"),  # documentation
    ipaddress.IPv6Network("3fff::/20"),  # documentation
    ipaddress.IPv6Network("5f00::/16"),  # segment routing
    ipaddress.IPv6Network("fec0::/10"),  # site-local
)

_PRIVATE = "not a public address"


class AddressNotAllowed(Exception):
    """The policy does not allow a connection. The message is short and the same for each attempt."""


class Reach(StrEnum):
    """The addresses that a policy allows before its exceptions apply."""

    PUBLIC = "public addresses"
    NOT_METADATA = "all addresses but metadata services"


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The hosts and addresses that connections are allowed to.

    Attributes:
        reach: The addresses that are allowed before the exceptions below apply.
        allow: Networks that are allowed in addition to `reach`.
        allow_hosts: Internal names that are allowed, and that may resolve to private addresses. Loopback and link-local
            addresses must also be in `allow`. `.example.svc` matches every name under `example.svc`.
        deny: Networks that are refused even if they are public or in `allow`, such as a cluster's own public range.
    """

    reach: Reach = Reach.PUBLIC
    allow: tuple[Network, ...] = ()
    allow_hosts: frozenset[str] = frozenset()
    deny: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, allow: Iterable[str], *, deny: Iterable[str] = ()) -> Self:
        """Parse lists from a configuration: networks, addresses and host names to allow besides public addresses.

        Raises:
            ValueError: An entry is neither a network, nor an address, nor a host name.
        """
        networks: list[Network] = []
        hosts: set[str] = set()
        for entry in allow:
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError:
                hosts.add(_host_entry(entry))
        denied = tuple(ipaddress.ip_network(entry) for entry in deny)
        return cls(allow=tuple(networks), allow_hosts=frozenset(hosts), deny=denied)

    def check_host(self, host: str) -> Address | str:
        """Check the host of a URL, before it is resolved.

        Args:
            host: Address or name, in ASCII (IDNA), without brackets.

        Returns:
            The address, or the name in lower case and without a final dot.

        Raises:
            AddressNotAllowed: The policy does not allow the host.
        """
        name = host.lower()
        address = address_of(name.removesuffix(".")) if self.reach is Reach.NOT_METADATA else _literal(name)
        if address is not None:
            self.check_address(address, shown=host)
            return address
        name = name.removesuffix(".")
        if name in _METADATA_NAMES:
            raise refused(host, "a metadata service")
        if self.reach is Reach.NOT_METADATA:
            return name
        if not _HOST_NAME.fullmatch(name) or _ENDS_IN_NUMBER.search(name):
            raise refused(host, "neither a host name nor an address as usually written")
        if _is_internal(name) and not self.allows_name(name):
            raise refused(host, "the name is internal to the cluster or the machine")
        return name

    def check_address(self, address: Address, *, shown: str, is_allowed_name: bool = False) -> None:
        """Check one address.

        Args:
            address: The address to connect to.
            shown: How the message names the destination. For a resolved name, pass the name: the address would reveal
                the contents of the internal DNS.
            is_allowed_name: Whether the address was resolved from a name in `allow_hosts`.

        Raises:
            AddressNotAllowed: The policy does not allow the address.
        """
        reached = _reached(address)
        if _within(address, self.deny) or any(_within(each, self.deny) for each in reached):
            raise refused(shown, "denied by the manager")
        if _within(address, self.allow) or _within(unmapped(address), self.allow):
            return
        for each in reached:
            reason = _why_not_public(each) if self.reach is Reach.PUBLIC else _why_metadata_or_reserved(each)
            if reason is not None and not (reason == _PRIVATE and is_allowed_name):
                raise refused(shown, reason)

    def allows_name(self, name: str) -> bool:
        """Return whether a name, in lower case and without a final dot, is in `allow_hosts`."""
        parents = (name[match.start() :] for match in re.finditer(r"\.", name))
        return name in self.allow_hosts or any(parent in self.allow_hosts for parent in parents)

    def may_search(self, name: str) -> bool:
        """Return whether the resolver may apply its search domains to a name, such as those of cluster services."""
        return self.reach is Reach.NOT_METADATA or self.allows_name(name)


PUBLIC = AddressPolicy()
NOT_METADATA = AddressPolicy(reach=Reach.NOT_METADATA)


def refused(host: str, reason: str) -> AddressNotAllowed:
    """Create the error for a host that the policy refuses."""
    shown = "".join(c if c.isprintable() else "?" for c in host[:100])
    return AddressNotAllowed(f"address refused: {shown}: {reason}")


def _why_not_public(address: Address) -> str | None:
    """Return why an address is not public; None when it is public."""
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_unspecified or address.is_multicast or _within(address, _NOT_PUBLIC):
        return "a reserved address"
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return _PRIVATE if address in _UNIQUE_LOCAL else "a reserved address"
    return None if address.is_global else _PRIVATE


def _why_metadata_or_reserved(address: Address) -> str | None:
    """Return why `NOT_METADATA` refuses an address; None when it allows the address."""
    if address.is_link_local or _within(address, _METADATA_ADDRESSES):
        return "a metadata service or another link-local address"
    if address.is_unspecified or address.is_multicast:
        return "a reserved address"
    if isinstance(address, ipaddress.IPv6Address) and not address.is_loopback and _within(address, _TRANSLATED):
        # The translation depends on the network. By the standards, the last 32 bits are the IPv4 destination.
        return _why_metadata_or_reserved(address.teredo[1] if address.teredo else _last_part(address))
    return None


def _reached(address: Address) -> tuple[Address, ...]:
    """Return the addresses that a connection may reach.

    That is the IPv4 address that an IPv6 address stands for (mapped, translated, 6to4, NAT64), both where one may be
    embedded (ISATAP), otherwise the address itself.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and (address in _NAT64 or address in _IPV4_TRANSLATED):
        inner = _last_part(address)
    is_isatap = (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    return (inner or address, _last_part(address)) if is_isatap else (inner or address,)


def _last_part(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def unmapped(address: Address) -> Address:
    """Return the IPv4 address of an IPv4-mapped IPv6 address; any other address unchanged."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _literal(host: str) -> Address | None:
    """Parse a host as an address in the standard spelling; None when it is a name."""
    if "%" in host:
        raise refused(host, "an address with a zone")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def address_of(host: str) -> Address | None:
    """Parse a host as an address, including the short, octal and hexadecimal forms that resolvers accept."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
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
