"""Sends requests to an API server over HTTP, with aiohttp.

Requests and watches have separate connection pools, so that open watches do not delay writes. The number of requests in
flight is limited, not their rate: the server's priority and fairness does the rest. Responses are not compressed: gzip
costs half a second on a list of 30 MB. Proxies of the environment are ignored (looking them up doubles the cost of a
request). No retries and no interpretation of responses here.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp
import yarl

from kubechain.runtime.credentials import ConfigError
from kubechain.runtime.errors import TransportError
from kubechain.runtime.transport import Reply, StreamReply, WholeReply

IN_FLIGHT = 100
"""Requests in flight. kube-apiserver's default limit for all clients together is 600."""

CONNECT_SECONDS = 10.0
"""Limit for a TCP and TLS handshake."""

KEEPALIVE_SECONDS = 60.0
"""How long an unused connection stays open."""

FAILURES = (aiohttp.ClientError, OSError, TimeoutError, RuntimeError)
"""What a request or a stream can fail with. A `RuntimeError` is the event loop's: a connection was closed under it."""

UNAUTHORIZED = 401

LINE_LIMIT = 16 * 1024 * 1024
"""Longest line of a watch. etcd limits objects to 1.5 MiB; JSON escapes can multiply that."""


class Server(Protocol):
    """Address and credentials of a server; see `credentials.Cluster`."""

    @property
    def url(self) -> str:
        """Scheme, host and port, and a path where the server is behind one."""
        ...

    @property
    def ssl(self) -> ssl.SSLContext | None:
        """TLS settings; None for plain HTTP."""
        ...

    @property
    def proxy_url(self) -> str | None:
        """The proxy of the kubeconfig."""
        ...

    @property
    def tls_server_name(self) -> str | None:
        """The name to verify in the certificate instead of the URL's host."""
        ...

    async def authorization(self) -> str | None:
        """Return the value of the `Authorization` header, None for none."""
        ...

    async def renew_authorization(self, refused: str | None) -> bool:
        """Look for other credentials than those that were refused; return whether there are any."""
        ...


class HttpExchange:
    """Sends requests to one API server; see `transport.Exchange`."""

    def __init__(self, server: Server, *, user_agent: str, in_flight: int = IN_FLIGHT) -> None:
        """Create an exchange; connections are made on demand. Must be called on the event loop.

        Args:
            server: address and credentials.
            user_agent: shown in the server's audit log and metrics.
            in_flight: requests at the same time; watches do not count.
        """
        self._server = server
        self._root = server.url.rstrip("/")
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._requests = self._session(limit=in_flight)
        self._watches = self._session(limit=0)

    @property
    def host(self) -> str:
        """Return the server's host and port, for metrics."""
        return yarl.URL(self._root).authority

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        """Send one request and return the whole response; see `transport.Exchange`.

        A request that was refused for its credentials was not executed, and is sent again with others if there are any.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                sent_with = await self._all_headers(headers)
                reply = await self._send(method, target, sent_with, body)
                if reply.status == UNAUTHORIZED and await self._has_other_credentials(sent_with):
                    reply = await self._send(method, target, await self._all_headers(headers), body)
                return reply
        except FAILURES as error:
            raise _Describe(method, target)(error) from error

    async def _send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        async with self._requests.request(
            method, self._url(target), headers=headers, data=body, allow_redirects=False,
            proxy=self._server.proxy_url, server_hostname=self._server.tls_server_name,
        ) as response:  # fmt: skip
            return WholeReply(response.status, _lower(response.headers), await response.read())

    async def _has_other_credentials(self, headers: Mapping[str, str]) -> bool:
        return await self._server.renew_authorization(headers.get("Authorization"))

    @asynccontextmanager
    async def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AsyncGenerator[StreamReply]:
        """Open a stream of lines; see `transport.Exchange`."""
        describe = _Describe("WATCH", target)
        try:
            async with asyncio.timeout(connect_timeout_seconds):
                sent_with = await self._all_headers(headers)
                response = await self._watches.request(
                    "GET", self._url(target), headers=sent_with,
                    allow_redirects=False, proxy=self._server.proxy_url, server_hostname=self._server.tls_server_name,
                )  # fmt: skip
                if response.status == UNAUTHORIZED:
                    await self._has_other_credentials(sent_with)  # for the next attempt, which follows soon
        except FAILURES as error:
            raise describe(error) from error
        try:
            yield _HttpStream(response, idle_timeout_seconds, describe)
        finally:
            response.close()  # not release(): the rest of a watch is not read

    async def aclose(self) -> None:
        """Close every connection."""
        await self._watches.close()
        await self._requests.close()

    def _session(self, *, limit: int) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=limit,
            ssl=self._server.ssl or not self._root.startswith("http:"),
            keepalive_timeout=KEEPALIVE_SECONDS,
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=CONNECT_SECONDS),
            trust_env=False,
            auto_decompress=True,
            read_bufsize=2**18,
        )

    def _url(self, target: str) -> yarl.URL:
        return yarl.URL(self._root + target, encoded=True)

    async def _all_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        try:
            authorization = await self._server.authorization()
        except ConfigError as error:  # of a plugin or a file: may succeed at the next attempt
            raise TransportError(str(error)) from error
        return {**headers, "Authorization": authorization} if authorization else headers


class _HttpStream:
    """The lines of one response."""

    def __init__(self, response: aiohttp.ClientResponse, idle_seconds: float, describe: _Describe) -> None:
        self._response = response
        self._idle_seconds = idle_seconds
        self._describe = describe

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return _lower(self._response.headers)

    @property
    def lines(self) -> AsyncIterator[bytes]:
        return self._lines()

    async def read(self) -> bytes:
        try:
            async with asyncio.timeout(self._idle_seconds):
                return await self._response.read()
        except FAILURES as error:
            raise self._describe(error) from error

    async def _lines(self) -> AsyncIterator[bytes]:
        """Split chunks into lines; aiohttp's `readline` refuses lines longer than its buffer."""
        rest = bytearray()
        content = self._response.content
        while True:
            chunk = await self._next(content.readany)
            if not chunk:
                return
            *lines, tail = (bytes(rest) + chunk).split(b"\n") if b"\n" in chunk else (chunk,)
            if not lines:
                rest += tail
                if len(rest) > LINE_LIMIT:
                    raise TransportError(f"{self._describe.subject}: a line is longer than {LINE_LIMIT} bytes")
                continue
            rest = bytearray(tail)
            for line in lines:
                if line:
                    yield line

    async def _next(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            async with asyncio.timeout(self._idle_seconds):
                return await read()
        except FAILURES as error:
            raise self._describe(error) from error


class _Describe:
    """Says which request failed, by verb and path. The query is left out: it may hold a continue token."""

    def __init__(self, method: str, target: str) -> None:
        self.subject = f"{method} {target.partition('?')[0]}"

    def __call__(self, error: BaseException) -> TransportError:
        reason = _reason(error)
        return TransportError(f"{self.subject}: {reason}", reason=reason)


def _reason(error: BaseException) -> str:
    """Why a connection failed, in the words of the operating system: those of aiohttp are about its own code."""
    match error:
        case TimeoutError():
            return "timed out"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return "the server closed the connection"
        case aiohttp.ClientSSLError():
            return str(error)
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number).lower()
        case _:
            return str(error) or type(error).__name__


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}
