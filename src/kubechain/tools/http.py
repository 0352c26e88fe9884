"""Performs one HTTP exchange with an address that the policy allows. No other module of this package connects.

An exchange is one request and one response. It follows no redirects, does not retry, and keeps neither cookies nor
connections: a request on a kept connection that the server has just closed has an uncertain outcome. It uses no proxy,
which would resolve the name again. Errors distinguish a request that was not sent from one that may have been sent.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpcore2
import httpx2

from kubechain.net.addresses import AddressNotAllowed, AddressPolicy
from kubechain.net.connections import CheckedNetwork, origin
from kubechain.net.failures import cause
from kubechain.net.resolution import Lookup, system_lookup
from kubechain.net.tls import client_context
from kubechain.tools.model import AddressRefused, InvalidTool, NotExecuted, Uncertain

CONNECT_TIMEOUT_SECONDS = 10.0
"""Allows for a few lost packets, and prevents an unreachable address from using up the whole timeout."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_FRAMING_HEADERS = frozenset(
    {"connection", "content-length", "host", "proxy-authorization", "te", "transfer-encoding", "upgrade"}
)
"""Headers that define the framing of a request; a Tool could use them for request smuggling or another host."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request. Its repr leaves out the headers and the body, which may hold secrets."""

    method: str
    url: httpx2.URL
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response, with header names in lower case.

    Attributes:
        body: Start of the body, decompressed, up to the size limit.
        is_cut: Whether the body was longer.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    is_cut: bool = False


@dataclass(slots=True)
class _Progress:
    """Progress of an exchange, from the trace events of the HTTP library."""

    is_sending: bool = False

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.is_sending = True


class HttpExchanger:
    """Performs exchanges under an address policy."""

    def __init__(
        self, policy: AddressPolicy, *, lookup: Lookup = system_lookup, tls: ssl.SSLContext | None = None
    ) -> None:
        """Create the exchanger.

        Args:
            policy: The hosts and addresses that connections are allowed to.
            lookup: Resolver; by default the system's resolver.
            tls: Trusted certificates; by default those that the system trusts.
        """
        self._policy = policy
        self._network = CheckedNetwork(policy, lookup=lookup)
        self._tls = tls

    def check_address(self, url: httpx2.URL) -> None:
        """Check the host of a URL against the policy, without resolving it.

        Raises:
            AddressRefused: The policy does not allow the host.
        """
        try:
            self._policy.check_host(url.raw_host.decode())
        except AddressNotAllowed as error:
            raise AddressRefused(str(error)) from error

    async def exchange(self, request: Request, *, max_bytes: int, deadline: float) -> Reply:
        """Perform one exchange.

        Args:
            request: Request whose headers have passed `check_headers`.
            max_bytes: Maximum size of the body to read.
            deadline: Time of the event loop at which the exchange times out.

        Raises:
            NotExecuted: The request was not sent: the address is refused, or there was no connection in time.
            Uncertain: The request was sent or may have been sent, and there is no complete response.
        """
        progress = _Progress()
        where = origin(request.url)
        if self._tls is None:
            self._tls = client_context()
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
            # Not chained: the message of the library contains the header, which may be a secret.
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
            ssl_context=self._tls,
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
    """Check that headers have no line breaks and do not change the framing of the request.

    Raises:
        InvalidTool: A header is refused; the message includes its name at most, never its value.
    """
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidTool("header: not a header name")
        if name.lower() in _FRAMING_HEADERS:
            raise InvalidTool(f"header: {name}: cannot be set")
        if not _HEADER_VALUE.fullmatch(value):
            raise InvalidTool(f"header: {name}: its value has a line break or a character that headers cannot carry")


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
    """Collects a body up to a size limit, which also applies to the decompressed size of a compressed body."""

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
