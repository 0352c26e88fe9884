"""Opens a WebSocket under the address policy, with aiohttp: no proxy, no cookies, no other host by a redirect.

The address of a WebSocket comes from a service and holds a ticket: messages name its origin only.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from kubechain.humans.model import MESSAGE_TIMEOUT_SECONDS, NotSent, Refused
from kubechain.net.addresses import AddressNotAllowed, AddressPolicy, address_of
from kubechain.net.failures import cause
from kubechain.net.resolution import Lookup, NameNotResolved, resolve
from kubechain.net.tls import client_context

MAX_FRAME_BYTES = 1024 * 1024
"""An interaction repeats the message that it is about: some ten kilobytes."""

HEARTBEAT_SECONDS = 30.0
"""Between our pings; a connection whose pong does not come in half of that time is over."""

CLOSE_SECONDS = 2.0
"""How long the other side has to agree to the end."""

_TIMEOUTS = aiohttp.ClientWSTimeout(
    ws_close=CLOSE_SECONDS  # pyright: ignore[reportCallIssue]  attrs without annotations
)

_AWAY = "it leads to another address"

_PORTS = {"wss": 443, "ws": 80}

WebSocket = aiohttp.ClientWebSocketResponse[bool]


@asynccontextmanager
async def opened(url: str, *, policy: AddressPolicy, lookup: Lookup, needs_tls: bool) -> AsyncGenerator[WebSocket]:
    """Open a WebSocket, and close it at the end.

    Args:
        needs_tls: Refuse an address without TLS.

    Raises:
        Refused: The address has the wrong form.
        NotSent: It cannot be connected to.
    """
    parts = _parsed(url, needs_tls=needs_tls)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    where = f"{parts.scheme}://{host}:{port}"
    try:
        addresses = await resolve(host, port, policy=policy, lookup=lookup)
    except AddressNotAllowed as error:
        raise NotSent(str(error)) from error
    except NameNotResolved as error:
        raise NotSent(f"unreachable: {where}: {error}") from error
    connector = aiohttp.TCPConnector(
        resolver=_Resolved(addresses),
        socket_factory=_only(addresses),
        ssl=client_context() if parts.scheme == "wss" else True,
        use_dns_cache=False,
    )
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        try:
            async with asyncio.timeout(MESSAGE_TIMEOUT_SECONDS):
                made = await session.ws_connect(
                    url,
                    heartbeat=HEARTBEAT_SECONDS,
                    max_msg_size=MAX_FRAME_BYTES,
                    timeout=_TIMEOUTS,
                )
        except (aiohttp.ClientError, OSError) as error:
            raise NotSent(f"unreachable: {where}: {_why(error)}") from error
        try:
            yield made
        finally:
            await _close(made)


async def _close(made: WebSocket) -> None:
    """Say good-bye. The library waits anew after each frame that comes in place of the answer: that is limited here."""
    with suppress(TimeoutError):
        async with asyncio.timeout(2 * CLOSE_SECONDS):
            await made.close()


class _LeadsAway(OSError):
    """A redirect leads to an address that was not checked."""


def _why(error: Exception) -> str:
    """What went wrong, without the URL, which the library repeats."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"HTTP {error.status} in place of a WebSocket"
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        return _AWAY if isinstance(error.os_error, _LeadsAway) else cause(error.os_error)
    return "no answer in time" if isinstance(error, TimeoutError) else cause(error)


def _parsed(url: str, *, needs_tls: bool) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise Refused("the service names a WebSocket address that cannot be parsed") from None
    if not is_usable:
        raise Refused("the service names an address that is no WebSocket's")
    if needs_tls and parts.scheme != "wss":
        raise Refused("the service names a WebSocket address without TLS")
    return parts


class _Resolved(AbstractResolver):
    """Resolves each name to the addresses that were checked."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        return [
            ResolveResult(hostname=host, host=one, port=port, family=_family(one), proto=0, flags=socket.AI_NUMERICHOST)
            for one in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _only(addresses: Sequence[str]) -> Any:
    """A factory of sockets to the addresses that were checked, and to no other, wherever a redirect leads."""
    allowed = {address_of(one) for one in addresses}

    def make(info: Any) -> socket.socket:
        family, kind, protocol, _, target = info
        if address_of(str(target[0])) not in allowed:
            raise _LeadsAway(_AWAY)
        return socket.socket(family, kind, protocol)

    return make


def _family(address: str) -> socket.AddressFamily:
    parsed = address_of(address)
    return socket.AF_INET6 if parsed is not None and parsed.version == 6 else socket.AF_INET
