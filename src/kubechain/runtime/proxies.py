"""Whose request a proxy passes on: what it says counts only where somebody configured that it is trusted.

Anybody may send `X-Forwarded-For`. A proxy appends the address that it sees, so that only the last entries come from
proxies that are trusted, and everything before them may be invented.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

FORWARDED_FOR = "X-Forwarded-For"

HOPS_MAX = 16
"""Entries that are looked at."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_of(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the address that a request came from: the last one that is not a trusted proxy.

    Args:
        peer: Of the connection.
        forwarded_for: Values of the header, in order.
        trusted: Networks of the proxies.
    """
    if not is_trusted(peer, trusted):
        return peer
    client = peer
    hops = [hop.strip() for hop in ",".join(forwarded_for).rsplit(",", HOPS_MAX)[-HOPS_MAX:]]
    for hop in reversed(hops):
        if _parsed(hop) is None:
            return client
        client = hop
        if not is_trusted(hop, trusted):
            return client
    return client


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Return whether an address is one of a trusted proxy."""
    parsed = _parsed(address) if trusted else None
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(address: str) -> _Address | None:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
