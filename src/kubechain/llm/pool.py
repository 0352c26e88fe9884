"""HTTP to providers over pooled connections; the only module here that imports the HTTP library.

It performs an `HttpCall` once and returns an `HttpReply` or raises an `LLMError`. It knows no provider, retries
nothing, follows no redirect (the key would be sent to another host), keeps no cookies, and logs nothing.

Connections are shared per origin by small pools (shards): the library looks through all of a pool's connections on each
request, so a pool's price per request grows with its size.

Proxies: `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` and `SSL_CERT_FILE` of the environment are honoured, since in many
networks they are the only way out; for loopback addresses proxies are never used.
"""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from kubechain.llm.base_url import is_loopback, origin_of, scheme_advice
from kubechain.llm.errors import ConnectionLost, InvalidAnswer, InvalidTarget, TimedOut, Unreachable
from kubechain.llm.exchange import HttpCall, HttpReply, Reader, ReaderFactory, whole_body
from kubechain.net.addresses import NOT_METADATA, AddressNotAllowed
from kubechain.net.connections import CheckedNetwork, CheckedTransport
from kubechain.net.failures import cause
from kubechain.net.resolution import Lookup, system_lookup
from kubechain.net.tls import client_context

SHARD_CONNECTIONS = 25
"""Connections per pool at most. At 1,000 calls in flight, each costs 1.2 ms of CPU with 25, 2.2 with 100, 10 with all
in one pool."""

CONNECT_TIMEOUT_SECONDS = 10.0
"""Enough for a connect with two lost packets; an address that does not answer must not use up the whole budget."""

KEEP_ALIVE_SECONDS = 4.0
"""How long an idle connection waits for the next call. Many model servers (uvicorn, Node) close theirs after 5 s, and a
call that is sent at that moment is lost."""

CLIENT_IDLE_SECONDS = 30.0
"""How long a client without calls is kept."""

MAX_REPLY_BYTES = 8 * 1024 * 1024
"""Longer than any answer of a model, and small enough that a hostile server cannot fill the memory."""


def utc_now() -> datetime:
    """The wall clock, for reading the dates in replies."""
    return datetime.now(UTC)


@dataclass(slots=True, eq=False)
class _Shard:
    client: _Client
    in_flight: int = 0
    idle_since: float = 0.0


class HttpPool:
    """Performs calls over pooled connections."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = utc_now,
        shard_connections: int = SHARD_CONNECTIONS,
        max_reply_bytes: int = MAX_REPLY_BYTES,
        lookup: Lookup = system_lookup,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Make an empty pool; clients come with the first calls.

        Args:
            now: Wall clock that stamps replies.
            shard_connections: Calls in flight, so connections, per client at most.
            max_reply_bytes: Longer replies are refused.
            lookup: Resolver; the system's own by default.
            transport: Takes the place of the network in tests.
        """
        self.now = now
        self._shard_connections = shard_connections
        self._max_reply_bytes = max_reply_bytes
        self._network = CheckedNetwork(NOT_METADATA, lookup=lookup)
        self._transport = transport
        self._shards: defaultdict[str, list[_Shard]] = defaultdict(list)
        self._tls: ssl.SSLContext | None = None
        self._swept_at = 0.0
        self._closed = False

    async def send(
        self, call: HttpCall, *, timeout_seconds: float, make_reader: ReaderFactory = whole_body
    ) -> HttpReply:
        """Perform a call and read its reply to the end, whatever its status.

        Args:
            call: What to send.
            timeout_seconds: Budget for the whole exchange.
            make_reader: Makes what turns the chunks of the reply into its body.

        Raises:
            TimedOut: The reply was not whole after `timeout_seconds`.
            Unreachable: There is no whole reply for another reason.
            InvalidAnswer: The reply is too long.
            InvalidTarget: The URL or a header cannot be sent.
        """
        try:
            async with asyncio.timeout(timeout_seconds), self._shard(origin_of(call.url)) as client:
                return await self._exchange(client, call, timeout_seconds, make_reader)
        except TimeoutError as error:
            raise TimedOut(f"timed out: no whole reply within {timeout_seconds:g} s") from error
        except (httpx2.ConnectTimeout, httpx2.ConnectError, httpx2.ProxyError) as error:
            raise Unreachable(f"unreachable: {self._way_to(call.url)}: {_cause(error, call.url)}") from error
        except httpx2.TimeoutException as error:
            raise TimedOut(f"timed out: no whole reply within {timeout_seconds:g} s") from error
        except AddressNotAllowed as error:
            raise InvalidTarget(f"baseUrl: {error}") from error
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError):
            # Not chained: the library repeats the header that it does not like, and one of them is the key.
            raise InvalidTarget("request cannot be sent: baseUrl or a header is malformed") from None
        except httpx2.DecodingError as error:
            raise InvalidAnswer("invalid answer: broken compression") from error
        except httpx2.RequestError as error:
            what = f"before the reply was whole{scheme_advice(call.url, error)}"
            raise ConnectionLost(f"connection lost: {self._way_to(call.url)}: {what}") from error

    def _way_to(self, url: str) -> str:
        """The origin of a URL, and the proxy that connections to it go through."""
        origin = origin_of(url)
        for shard in self._shards.get(origin, ()):
            if proxy := shard.client.proxy_of(url):
                return f"{origin} through the proxy {proxy}"
        return origin

    async def _exchange(
        self, client: _Client, call: HttpCall, timeout_seconds: float, make_reader: ReaderFactory
    ) -> HttpReply:
        # The budget of the whole exchange limits the rest: a timer for each read and write would cost CPU.
        limits = {"connect": min(CONNECT_TIMEOUT_SECONDS, timeout_seconds)}
        response = await client.exchange(call, limits)
        headers = {name.lower(): value for name, value in response.headers.items()}
        try:
            body = await self._read(response, make_reader(response.status_code, headers))
        finally:
            await response.aclose()
        return HttpReply(status=response.status_code, headers=headers, body=body, received_at=self.now())

    async def _read(self, response: httpx2.Response, reader: Reader) -> bytes:
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > self._max_reply_bytes:
                raise InvalidAnswer(f"invalid answer: longer than {self._max_reply_bytes} bytes")
            reader.feed(chunk)
        return reader.body()

    @asynccontextmanager
    async def _shard(self, origin: str) -> AsyncGenerator[_Client]:
        """Reserve a connection of a client for one call."""
        if self._closed:
            raise RuntimeError("HttpPool is closed")
        await self._sweep(asyncio.get_running_loop().time())
        shards = self._shards[origin]
        shard = next((shard for shard in shards if shard.in_flight < self._shard_connections), None)
        if shard is None:
            shard = _Shard(self._client(origin))
            shards.append(shard)
        shard.in_flight += 1
        try:
            yield shard.client
        finally:
            shard.in_flight -= 1
            shard.idle_since = asyncio.get_running_loop().time()

    async def _sweep(self, now: float) -> None:
        """Close the clients that were idle for `CLIENT_IDLE_SECONDS`: their LLM may be deleted or have moved."""
        if now - self._swept_at < CLIENT_IDLE_SECONDS:
            return
        self._swept_at = now
        idle = [
            (origin, shard)
            for origin, shards in self._shards.items()
            for shard in shards
            if not shard.in_flight and now - shard.idle_since >= CLIENT_IDLE_SECONDS
        ]
        for origin, shard in idle:
            self._shards[origin].remove(shard)
            if not self._shards[origin]:
                del self._shards[origin]
        for _, shard in idle:
            await shard.client.aclose()

    def _client(self, origin: str) -> _Client:
        if self._tls is None:
            self._tls = client_context()  # 20 ms and some 500 kB each: one for all
        limits = httpx2.Limits(
            max_connections=None,
            max_keepalive_connections=self._shard_connections,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
        )
        return _Client(
            self._transport or CheckedTransport(self._network, tls=self._tls, limits=limits),
            verify=self._tls,
            trust_env=self._transport is None and not is_loopback(urlsplit(origin).hostname or ""),
            limits=limits,
        )

    def statistics(self) -> dict[str, int]:
        """Calls in flight, by origin."""
        return {origin: sum(shard.in_flight for shard in shards) for origin, shards in self._shards.items()}

    async def aclose(self) -> None:
        """Close every connection; calls in flight fail."""
        self._closed = True
        shards = [shard for shards in self._shards.values() for shard in shards]
        self._shards.clear()
        for shard in shards:
            await shard.client.aclose()

    async def __aenter__(self) -> Self:
        """Return the pool."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the pool."""
        await self.aclose()

    def __del__(self) -> None:
        """Warn when the pool was dropped open."""
        if self._shards and not self._closed:
            warnings.warn("HttpPool was dropped while it was open", ResourceWarning, stacklevel=1)


class _Client(httpx2.AsyncClient):
    """A client with a transport of ours for what goes without a proxy.

    The library's parameter for a transport would switch off the proxies of the environment.
    """

    def __init__(self, direct: httpx2.AsyncBaseTransport, **options: Any) -> None:
        self._direct = direct
        self._proxies: dict[httpx2.AsyncBaseTransport, str] = {}
        super().__init__(**options)
        self._default_headers = dict(self.headers)

    async def exchange(self, call: HttpCall, limits: Mapping[str, float]) -> httpx2.Response:
        """Send one request over the transport of its URL, and return the response before its body is read.

        `send` would do more, and take a fifth of the CPU of a request for it: authentication by the URL, redirects,
        and cookies, none of which may happen here (two tenants may share an origin).

        Args:
            call: What to send.
            limits: By the name of the phase, in seconds; a phase without one is not limited.
        """
        headers = {**self._default_headers, **{name.lower(): value for name, value in call.headers.items()}}
        request = httpx2.Request(
            call.method, _parsed(call.url), headers=headers, content=call.body, extensions={"timeout": limits}
        )
        response = await self._transport_for_url(request.url).handle_async_request(request)
        response.request = request
        return response

    def proxy_of(self, url: str) -> str | None:
        """Return the proxy that a URL is reached through, without its credentials; None for none."""
        return self._proxies.get(self._transport_for_url(httpx2.URL(url)))

    def _init_proxy_transport(self, proxy: httpx2.Proxy, *arguments: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        transport = super()._init_proxy_transport(proxy, *arguments, **options)
        self._proxies[transport] = f"{proxy.url.scheme}://{proxy.url.host}:{proxy.url.port or 80}"
        return transport

    def _init_transport(self, *_: Any, **__: Any) -> httpx2.AsyncBaseTransport:
        return self._direct


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx2.URL:
    """Parse a URL: the same few are called again and again."""
    return httpx2.URL(url)


def _cause(error: httpx2.RequestError, url: str) -> str:
    match error:
        case httpx2.ConnectTimeout():
            return f"no connection within {CONNECT_TIMEOUT_SECONDS:g} s"
        case httpx2.ProxyError():
            return "the proxy refused"
        case _:
            return f"{cause(error)}{scheme_advice(url, error)}"
