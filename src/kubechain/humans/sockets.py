"""Opens a socket to a server that is no HTTP server, under the address policy."""

from __future__ import annotations

import asyncio
import socket

from kubechain.humans.model import NotSent
from kubechain.net.addresses import AddressNotAllowed, AddressPolicy, address_of
from kubechain.net.failures import cause
from kubechain.net.resolution import Lookup, NameNotResolved, resolve


async def connected(host: str, port: int, *, policy: AddressPolicy, lookup: Lookup) -> socket.socket:
    """Connect to the first address of a host that takes the connection; the caller limits the time.

    Raises:
        NotSent: The policy refuses the host, its name does not resolve, or no address takes the connection.
    """
    where = f"{host}:{port}"
    try:
        addresses = await resolve(host, port, policy=policy, lookup=lookup)
    except AddressNotAllowed as error:
        raise NotSent(str(error)) from error
    except NameNotResolved as error:
        raise NotSent(f"unreachable: {where}: {error}") from error
    failure: OSError | None = None
    for address in addresses:
        try:
            return await _connected(address, port)
        except OSError as error:
            failure = error
    raise NotSent(f"unreachable: {where}: {cause(failure or OSError())}") from failure


async def _connected(address: str, port: int) -> socket.socket:
    parsed = address_of(address)
    family = socket.AF_INET6 if parsed is not None and parsed.version == 6 else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(opened, (address, port))
    except BaseException:
        opened.close()
        raise
    return opened
