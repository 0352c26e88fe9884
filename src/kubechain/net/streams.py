"""TCP and TLS connections on the event loop's own transports, for httpcore2.

They take the place of the library's anyio streams, which cost a third of the CPU of a model request. No policy here:
`connections` chooses the address.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Protocol, cast

import httpcore2

HIGH_WATER_BYTES = 256 * 1024
"""Unread bytes after which the connection is not read until they are taken."""

_INFO = {"client_addr": "sockname", "server_addr": "peername", "socket": "socket", "ssl_object": "ssl_object"}
"""httpcore2's names of what a connection knows, and those of asyncio."""


async def connect(address: str, port: int, socket_options: Iterable[Any] | None = None) -> SocketStream:
    """Connect to an address; the caller limits the time.

    Raises:
        httpcore2.ConnectError: It accepts no connection.
    """
    with _failures_as(httpcore2.ConnectError):
        _, stream = await asyncio.get_running_loop().create_connection(SocketStream, address, port)
    for option in socket_options or ():
        stream.get_extra_info("socket").setsockopt(*option)
    return stream


class _Failure(Protocol):
    """The class of an exception of httpcore2."""

    def __call__(self, message: str, /) -> BaseException: ...


@contextmanager
def _failures_as(failure: _Failure) -> Generator[None]:
    """Map the errors of a socket and of TLS to an exception of httpcore2."""
    try:
        yield
    except OSError as error:  # ssl.SSLError is one
        raise failure(str(error)) from error


class SocketStream(httpcore2.AsyncNetworkStream, asyncio.Protocol):
    """One connection: the protocol of an asyncio transport, and httpcore2's stream at once."""

    def __init__(self) -> None:
        """Create a stream without a connection; `connect` makes it."""
        self._transport: asyncio.Transport | None = None
        self._received: deque[bytes] = deque()
        self._size = 0
        self._is_paused = False
        self._has_ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep what came until it is read."""
        self._received.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER_BYTES and not self._is_paused:
            self._is_paused = True
            self._connected().pause_reading()
        self._wake()

    def eof_received(self) -> bool | None:
        """Note that nothing more comes; the transport closes itself."""
        self._has_ended = True
        self._wake()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone."""
        self._has_ended, self._error = True, exc
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        """Have writers wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._writable.set()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _connected(self) -> asyncio.Transport:
        assert self._transport is not None, "connect() returns when the connection is made"
        return self._transport

    @property
    def unread_bytes(self) -> int:
        """How many bytes were received and not read yet."""
        return self._size

    # --- httpcore2's side

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (the library's interface)
        """Return the next bytes, at most so many; none at the end.

        Raises:
            httpcore2.ReadError: The connection broke.
            httpcore2.ReadTimeout: Nothing came within `timeout`.
        """
        if not self._received and not self._has_ended:
            try:
                async with asyncio.timeout(timeout):
                    await self._next()
            except TimeoutError as error:
                raise httpcore2.ReadTimeout from error
        if not self._received and self._error is not None:
            raise httpcore2.ReadError(str(self._error)) from self._error
        return self._taken(max_bytes)

    async def _next(self) -> None:
        """Wait until something is received, or nothing more comes."""
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _taken(self, max_bytes: int) -> bytes:
        if not self._received:
            return b""
        data = self._received.popleft()
        if len(data) > max_bytes:
            self._received.appendleft(data[max_bytes:])
            data = data[:max_bytes]
        self._size -= len(data)
        if self._size <= HIGH_WATER_BYTES:
            self._resume()
        return data

    def _resume(self) -> None:
        if self._is_paused and not self._has_ended:
            self._is_paused = False
            self._connected().resume_reading()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send bytes; wait while the connection takes no more.

        Raises:
            httpcore2.WriteError: The connection is gone.
            httpcore2.WriteTimeout: The connection took no more within `timeout`.
        """
        transport = self._connected()
        if transport.is_closing():
            raise httpcore2.WriteError("the connection is closed")
        transport.write(buffer)
        if self._writable.is_set():
            return
        try:
            async with asyncio.timeout(timeout):
                await self._writable.wait()
        except TimeoutError as error:
            raise httpcore2.WriteTimeout from error

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None  # noqa: ASYNC109
    ) -> SocketStream:  # fmt: skip
        """Go on over TLS.

        Raises:
            httpcore2.ConnectError: The other side speaks no TLS, or its certificate is refused.
            httpcore2.ConnectTimeout: The handshake was not over within `timeout`.
        """
        if self._received or self._has_ended:  # a server with TLS waits for the client's first word
            raise httpcore2.ConnectError("no TLS: the server spoke first, or hung up")
        start = asyncio.get_running_loop().start_tls
        try:
            async with asyncio.timeout(timeout):
                with _failures_as(httpcore2.ConnectError):
                    secured = await start(self._connected(), self, ssl_context, server_hostname=server_hostname)
        except TimeoutError as error:
            self._connected().abort()
            raise httpcore2.ConnectTimeout from error
        except BaseException:
            self._connected().abort()
            raise
        if secured is None:
            raise httpcore2.ConnectError("the connection was closed before the handshake")
        self._transport = secured
        return self

    async def aclose(self) -> None:
        """Close the connection; what was not sent yet is dropped."""
        transport = self._connected()
        transport.close()
        await asyncio.sleep(0)
        transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """Return what is known of the connection under httpcore2's names."""
        if info == "is_readable":  # of an idle connection: its server has closed it, or sent what nobody asked for
            return bool(self._received) or self._has_ended
        return self._connected().get_extra_info(_INFO[info]) if info in _INFO else None
