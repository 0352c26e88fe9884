"""Counts requests to the API server, under client-go's metric name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from prometheus_client import Counter

from kubechain.runtime.errors import TransportError
from kubechain.runtime.transport import Exchange, Reply, StreamReply

NO_ANSWER = "<error>"
"""client-go's code for requests without a response."""


class MeteredExchange:
    """An exchange that forwards requests to another one and counts them."""

    def __init__(self, inner: Exchange, requests: Counter, *, host: str) -> None:
        """Wrap an exchange.

        Args:
            inner: sends the requests.
            requests: counter with the labels code, method and host.
            host: of the server.
        """
        self._inner, self._requests, self._host = inner, requests, host

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        """Send and count; see `transport.Exchange`."""
        try:
            reply = await self._inner.send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)
        except TransportError:
            self._count(NO_ANSWER, method)
            raise
        self._count(str(reply.status), method)
        return reply

    @asynccontextmanager
    async def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AsyncGenerator[StreamReply]:
        """Open and count; see `transport.Exchange`."""
        async with AsyncExitStack() as stack:
            opening = self._inner.stream(
                target,
                headers=headers,
                connect_timeout_seconds=connect_timeout_seconds,
                idle_timeout_seconds=idle_timeout_seconds,
            )
            try:
                reply = await stack.enter_async_context(opening)
            except TransportError:
                self._count(NO_ANSWER, "GET")
                raise
            self._count(str(reply.status), "GET")
            yield reply

    async def aclose(self) -> None:
        """Close the wrapped exchange."""
        await self._inner.aclose()

    def _count(self, code: str, method: str) -> None:
        self._requests.labels(code, method, self._host).inc()
