"""One HTTP exchange with an address that was checked: the only module here that opens connections.

One call is one hop. It follows no redirect, retries nothing, keeps no cookies and no connection, and
uses no proxy: a proxy would resolve the name again, and a kept connection that the server has just closed would make
an answer uncertain that need not be. It tells apart what certainly was not sent and what may have been.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpcore2
import httpx2

from kubechain.net.addresses import AddressNotAllowed, AddressPolicy
from kubechain.net.connections import CheckedNetwork
from kubechain.net.failures import cause
from kubechain.net.resolution import Lookup, system_lookup
from kubechain.tools.model import AddressRefused, InvalidTool, NotExecuted, Uncertain

CONNECT_TIMEOUT_SECONDS = 10.0
"""Longer than any healthy connect with a lost packet or two; a dead address must not use up the whole budget."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = frozenset({"connection", "content-length", "host", "proxy-authorization", "te", "transfer-encoding", "upgrade"})
"""Headers that make up the message itself: whoever sets them can smuggle a second request or reach another host."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. Headers and body may hold secrets, so they are not in the repr."""

    method: str
    url: httpx2.URL
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Header names are in lower case.

    Attributes:
        body: The first bytes of the body, decompressed.
        is_cut: Whether there was more.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    is_cut: bool = False


@dataclass(slots=True)
class _Progress:
    """How far an exchange came, as the HTTP library reports it."""

    is_sending: bool = False

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.is_sending = True


class HttpExchanger:
    """Performs exchanges under an address policy."""

    def __init__(
        self, policy: AddressPolicy, *, lookup: Lookup = system_lookup, tls: ssl.SSLContext | None = None
    ) -> None:
        """Take the policy.

        Args:
            policy: Where connections may go.
            lookup: Resolver; the system's own by default.
            tls: What certificates are trusted; those that the system trusts by default.
        """
        self._policy = policy
        self._network = CheckedNetwork(policy, lookup=lookup)
        self._tls = tls

    def check_address(self, url: httpx2.URL) -> None:
        """See whether a URL's host may be connected to, as far as can be told without resolving it.

        Raises:
            AddressRefused: It may not.
        """
        try:
            self._policy.check_host(url.raw_host.decode())
        except AddressNotAllowed as error:
            raise AddressRefused(str(error)) from error

    async def exchange(self, request: Request, *, max_bytes: int, deadline: float) -> Reply:
        """Perform one exchange.

        Args:
            request: What to send; its headers were checked with `check_headers`.
            max_bytes: How much of the body to read.
            deadline: When to give up, by the event loop's clock.

        Raises:
            NotExecuted: Nothing was sent: the address is refused or cannot be reached, in time.
            Uncertain: It was sent, or may have been, and there is no whole answer.
        """
        progress = _Progress()
        where = _where(request.url)
        try:
            async with asyncio.timeout_at(deadline):
                return await self._perform(request, max_bytes, progress)
        except (TimeoutError, httpcore2.TimeoutException) as error:
            if progress.is_sending:
                raise Uncertain(f"timed out: {where}: no whole answer in time") from error
            raise NotExecuted(f"unreachable: {where}: no connection in time") from error
        except AddressNotAllowed as error:
            raise AddressRefused(str(error)) from error
        except httpcore2.LocalProtocolError:
            # Not chained: the library repeats the header that it does not like, and it may be a secret.
            raise InvalidTool("request cannot be sent: a header is malformed") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            if progress.is_sending:
                raise Uncertain(f"connection lost: {where}: before the answer was whole") from error
            raise NotExecuted(f"unreachable: {where}: {cause(error)}") from error

    async def _perform(self, request: Request, max_bytes: int, progress: _Progress) -> Reply:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        connection = httpcore2.AsyncHTTPConnection(
            httpcore2.Origin(url.raw_scheme, url.raw_host, port),
            ssl_context=self._tls or _system_tls(),
            network_backend=self._network,
        )
        async with (
            connection,
            connection.stream(
                request.method,
                httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=port, target=url.raw_path),
                headers=_wire_headers(request),
                content=request.body,
                extensions={"trace": progress.trace, "timeout": {"connect": CONNECT_TIMEOUT_SECONDS}},
            ) as response,
        ):
            return await _read(response, max_bytes)


def check_headers(headers: Mapping[str, str]) -> None:
    """See whether headers can be sent: no line breaks, and none of those that frame the message.

    Raises:
        InvalidTool: They cannot; the message has the name, never the value.
    """
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidTool("header: not a header name")
        if name.lower() in _OURS:
            raise InvalidTool(f"header: {name}: cannot be set")
        if not _HEADER_VALUE.fullmatch(value):
            raise InvalidTool(f"header: {name}: its value has a line break or a character that headers cannot carry")


@cache
def _system_tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)  # 20 ms and some 500 kB each: one for all


def _wire_headers(request: Request) -> list[tuple[bytes, bytes]]:
    headers = [(b"Host", request.url.netloc), (b"Connection", b"close")]
    headers += [(name.encode("ascii"), value.encode("latin-1")) for name, value in request.headers.items()]
    if request.body is not None:
        headers.append((b"Content-Length", str(len(request.body)).encode()))
    return headers


async def _read(response: httpcore2.Response, max_bytes: int) -> Reply:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
    inflate = _Inflation(headers.get("content-encoding", ""), max_bytes)
    async for chunk in response.aiter_stream():
        inflate.feed(chunk)
        if inflate.is_full:
            break
    return Reply(response.status, headers, bytes(inflate.body[:max_bytes]), is_cut=inflate.is_full)


class _Inflation:
    """Gathers a body up to a size; compressed ones, which we do not ask for, never grow beyond it either."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        self.body = bytearray()
        self._max_bytes = max_bytes
        is_compressed = encoding.strip().lower() in ("gzip", "x-gzip", "deflate")
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32) if is_compressed else None

    @property
    def is_full(self) -> bool:
        return len(self.body) > self._max_bytes

    def feed(self, chunk: bytes) -> None:
        if self._inflate is not None:
            try:
                chunk = self._inflate.decompress(chunk, self._max_bytes + 1 - len(self.body))
            except zlib.error as error:
                raise httpcore2.RemoteProtocolError("broken compression") from error
        self.body += chunk


def _where(url: httpx2.URL) -> str:
    """Scheme, host and port: never the path or the query, which hold arguments."""
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"
