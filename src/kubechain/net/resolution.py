"""Resolves the host of a URL to addresses that a policy allows.

A name is resolved once, and each of its addresses is checked. The caller connects to a checked address and not to the
name, so that a DNS change after the check has no effect.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Protocol

from kubechain.net.addresses import Address, AddressPolicy, refused, unmapped


class NameNotResolved(Exception):
    """The name has no address."""


class Lookup(Protocol):
    """Resolves a name: the system's resolver, or a fake in tests."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of `host`. Raises OSError when there are none."""
        ...


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """Resolve a name with the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def resolve(host: str, port: int, *, policy: AddressPolicy, lookup: Lookup = system_lookup) -> tuple[str, ...]:
    """Return the addresses to connect to for the host of a URL; the policy allows each of them.

    Raises:
        AddressNotAllowed: The policy does not allow the host or one of its addresses.
        NameNotResolved: The name has no address.
    """
    checked = policy.check_host(host)
    if not isinstance(checked, str):
        return (str(unmapped(checked)),)
    # A final dot disables the search domains, so that `vault.prod` does not resolve to a service of the cluster.
    found = await _looked_up(lookup, checked if policy.may_search(checked) else f"{checked}.", port)
    is_allowed_name = policy.allows_name(checked)
    for address in found:
        policy.check_address(address, shown=checked, is_allowed_name=is_allowed_name)
    return tuple(str(unmapped(address)) for address in found)


async def _looked_up(lookup: Lookup, name: str, port: int) -> list[Address]:
    try:
        found = [ipaddress.ip_address(address) for address in await lookup(name, port)]
    except (OSError, UnicodeError) as error:
        raise NameNotResolved("its name does not resolve") from error
    except ValueError as error:
        raise refused(name.removesuffix("."), "it resolves to something that is no address") from error
    if not found:
        raise NameNotResolved("its name does not resolve")
    return found
