"""Accepts connections at a bounded rate and in a bounded number, so that a flood of them costs little.

asyncio's own servers accept whatever comes. Here the rest waits in the system's queue, at no cost to this process.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence

from kubechain.runtime.floods import FloodGuard, FloodLimits, origin_of
from kubechain.runtime.proxies import is_trusted

BACKLOG = 128
"""Connections that wait in the system's queue."""

WINDOW_SECONDS = 0.05
"""In which the rate is counted; also the wait where there is no room."""


class Acceptor:
    """Gives the connections of some listening sockets to an HTTP server."""

    def __init__(self, make_protocol: Callable[[], asyncio.Protocol], guard: FloodGuard, limits: FloodLimits) -> None:
        """Create it; nothing listens yet."""
        self._make_protocol = make_protocol
        self._guard = guard
        self._limits = limits
        self._open: dict[asyncio.BaseTransport, str] = {}
        self._accepted = 0
        self._sockets: Sequence[socket.socket] = ()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections until `stop`."""
        self._sockets = sockets
        self._tasks = [asyncio.get_running_loop().create_task(self._accept(one)) for one in sockets]

    async def stop(self) -> None:
        """Accept no more; connections that are open stay."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in self._sockets:
            one.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wait_for_room()
            try:
                accepted, peer = await loop.sock_accept(listening)
            except OSError:  # the peer is gone, or this process has no descriptor left
                await asyncio.sleep(WINDOW_SECONDS)
                continue
            origin = origin_of(str(peer[0]))
            if not is_trusted(str(peer[0]), self._limits.trusted_proxies) and self._has_too_many(origin):
                self._guard.refuse("connection")
                accepted.close()
                continue
            transport, _ = await loop.connect_accepted_socket(self._make_protocol, accepted)
            self._open[transport] = origin

    async def _wait_for_room(self) -> None:
        """Wait where the rate is reached, and where too many connections are open."""
        self._accepted += 1
        if self._accepted >= self._limits.accepts_per_second * WINDOW_SECONDS:
            self._accepted = 0
            await asyncio.sleep(WINDOW_SECONDS)
        # No transport tells that it is closed.
        while len(self._open) >= self._limits.connections and not self._forget_closed():  # noqa: ASYNC110
            await asyncio.sleep(WINDOW_SECONDS)

    def _has_too_many(self, origin: str) -> bool:
        limit = self._limits.connections_per_address
        if len(self._open) < limit or self._count(origin) < limit:
            return False
        self._forget_closed()
        return self._count(origin) >= limit

    def _count(self, origin: str) -> int:
        return Counter(self._open.values())[origin]

    def _forget_closed(self) -> bool:
        """Forget what is closed; says whether there is room."""
        self._open = {one: origin for one, origin in self._open.items() if not one.is_closing()}
        return len(self._open) < self._limits.connections


def listening_sockets(host: str | None, port: int) -> list[socket.socket]:
    """Sockets that listen at an address.

    Args:
        host: None for every interface.

    Raises:
        OSError: The address is in use, or not of this machine.
    """
    if host is None and socket.has_dualstack_ipv6():
        return [_listening(("", port), socket.AF_INET6, is_dual=True)]
    infos = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)  # noqa: S104
    family, _, _, _, address = infos[0]
    return [_listening((str(address[0]), port), family)]


def _listening(address: tuple[str, int], family: int, *, is_dual: bool = False) -> socket.socket:
    made = socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=is_dual)
    made.setblocking(False)
    return made
