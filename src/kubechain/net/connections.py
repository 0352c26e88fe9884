"""Opens TCP connections under an address policy, for the HTTP libraries httpcore2 and httpx2.

This module only chooses the address to connect to. The Host header and TLS still use the host name of the URL.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from typing import Any

import anyio
import httpcore2
import httpx2

from kubechain.net.addresses import AddressPolicy
from kubechain.net.resolution import Lookup, NameNotResolved, resolve, system_lookup
from kubechain.net.streams import connect
from kubechain.net.tls import client_context

NEXT_ADDRESS_SECONDS = 0.25
"""Delay before a parallel attempt to the next address of a name (RFC 8305), in case IPv6 or IPv4 does not work."""


def origin(url: httpx2.URL) -> str:
    """Scheme, host and port of a URL, for messages: path and query may hold arguments and secrets."""
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """An httpcore2 network backend that connects only to addresses that a policy allows."""

    def __init__(self, policy: AddressPolicy, *, lookup: Lookup = system_lookup) -> None:
        """Create the backend.

        Args:
            policy: The hosts and addresses that connections are allowed to.
            lookup: Resolver; by default the system's resolver.
        """
        self._policy = policy
        self._lookup = lookup

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the library's interface)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve the host, check its addresses, and connect to one of them.

        Raises:
            AddressNotAllowed: The policy does not allow the host or one of its addresses.
            httpcore2.ConnectError: The name does not resolve, or no address accepts a connection.
            httpcore2.ConnectTimeout: No connection was made within `timeout`.
        """
        try:
            with anyio.fail_after(timeout):
                addresses = await resolve(host, port, policy=self._policy, lookup=self._lookup)
                return await self._first(addresses, port, socket_options)
        except NameNotResolved as error:
            raise httpcore2.ConnectError(str(error)) from error
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("no connection in time") from error

    async def _first(
        self, addresses: Sequence[str], port: int, socket_options: Iterable[Any] | None
    ) -> httpcore2.AsyncNetworkStream:
        """Try the addresses in order, `NEXT_ADDRESS_SECONDS` apart, and return the first connection that succeeds."""
        streams: list[httpcore2.AsyncNetworkStream] = []
        failures: list[Exception] = []

        async def attempt(address: str, ended: anyio.Event) -> None:
            try:
                stream = await connect(address, port, socket_options)
            except httpcore2.ConnectError as error:
                failures.append(error)
            else:
                streams.append(stream)
                attempts.cancel_scope.cancel()
            finally:
                ended.set()

        try:
            async with anyio.create_task_group() as attempts:
                for address in addresses:
                    ended = anyio.Event()
                    attempts.start_soon(attempt, address, ended)
                    with anyio.move_on_after(NEXT_ADDRESS_SECONDS):
                        await ended.wait()
        except BaseException:
            await _close(streams)
            raise
        await _close(streams[1:])
        if not streams:
            raise failures[0]
        return streams[0]


async def _close(streams: Sequence[httpcore2.AsyncNetworkStream]) -> None:
    with anyio.CancelScope(shield=True):
        for stream in streams:
            await stream.aclose()


class CheckedTransport(httpx2.AsyncHTTPTransport):
    """An httpx2 transport that opens its connections through a `CheckedNetwork`. It uses no proxy."""

    def __init__(
        self,
        network: httpcore2.AsyncNetworkBackend,
        *,
        tls: ssl.SSLContext | None = None,
        limits: httpx2.Limits | None = None,
    ) -> None:
        """Create the transport and its connection pool.

        Args:
            network: Opens the connections.
            tls: Trusted certificates; by default those that the system trusts.
            limits: Limits of the connection pool.
        """
        tls = tls or client_context()
        limits = limits or httpx2.Limits(max_connections=100, max_keepalive_connections=20)
        # The library has no parameter for the network backend. Replace its pool, which has no connections yet.
        super().__init__(verify=tls, limits=limits)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=network,
        )
