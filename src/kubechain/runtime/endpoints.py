"""An HTTP server for requests from outside of the cluster, such as callbacks, with limits of size, number and time.

It has a port of its own, shared neither with probes nor with metrics. Handlers get and return plain values, not types
of the HTTP library. Without TLS: an Ingress or a Gateway in front of it terminates TLS and limits connections.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from kubechain.runtime.accepting import Acceptor, listening_sockets
from kubechain.runtime.floods import FloodGuard, FloodLimits
from kubechain.runtime.health import listen_error, split_address
from kubechain.runtime.proxies import FORWARDED_FOR, client_of

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

METHODS = ("GET", "POST")

MAX_BODY_BYTES = 256 * 1024
"""Callbacks of Slack or of mail services have a few kilobytes."""

MAX_REQUESTS = 64
"""Requests in flight; further requests get a 503, so that a flood does not exhaust memory or delay reconciles."""

REQUEST_TIMEOUT_SECONDS = 10.0
"""For body and handler together. Slack times out after 3 s, most webhook senders after 10 to 30 s."""

IDLE_SECONDS = 15.0
"""How long a connection stays open after its last request; also in which the head of a request must have come."""

MAX_LINE_BYTES = 4_096
"""Of the request line, and of each header: signed links have a few hundred bytes."""

MAX_HEADERS = 48
"""With those that proxies add."""

RETRY_AFTER_SECONDS = 5
"""Retry-After of a 503: about the time in which another replica takes over from one that stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundRequest:
    """A request to an endpoint.

    Attributes:
        parts: the values of the path's variables.
        headers: names in lower case.
        remote: the address of the peer, which may be a proxy.
    """

    method: str
    path: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    remote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundReply:
    """The response of a handler."""

    status: int = 200
    body: str | bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


REFUSED = frozenset({400, 401, 403, 404, 405, 413})
"""Statuses of requests that nobody sends who was asked; such requests are limited."""

InboundHandler = Callable[[InboundRequest], Awaitable[InboundReply]]
"""Answers one request; cancelled at the time-out. An exception is logged and becomes a 500 without its message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundEndpoint:
    """A path and its handler.

    Attributes:
        path: may have variables, as in `/approvals/{id}`.
        needs_leader: answer 503 while this replica does not lead.
    """

    path: str
    handler: InboundHandler
    methods: Sequence[str] = METHODS
    needs_leader: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLimits:
    """Limits for requests to endpoints."""

    body_bytes: int = MAX_BODY_BYTES
    requests: int = MAX_REQUESTS
    timeout_seconds: float = REQUEST_TIMEOUT_SECONDS
    idle_seconds: float = IDLE_SECONDS
    flood: FloodLimits = field(default_factory=FloodLimits)


class EndpointServer:
    """Serves the endpoints of a manager."""

    def __init__(
        self,
        address: str,
        endpoints: Sequence[InboundEndpoint],
        *,
        leads: Callable[[], bool],
        limits: EndpointLimits | None = None,
    ) -> None:
        """Create a server.

        Args:
            address: `:8443`, `127.0.0.1:8443` or `[::1]:8443`.
            endpoints: other paths get a 404.
            leads: tells whether this replica leads now.
            limits: None for the defaults.
        """
        self.host, self.port = split_address(address)
        self._address = address
        self._endpoints = endpoints
        self._leads = leads
        self._limits = limits or EndpointLimits()
        self._in_flight = 0
        self._runner: web.AppRunner | None = None
        self._acceptor: Acceptor | None = None
        self.guard = FloodGuard(self._limits.flood)

    async def start(self) -> None:
        """Listen.

        Raises:
            ListenError: the address is in use, or not of this machine.
        """
        limits = self._limits
        app = web.Application(client_max_size=limits.body_bytes, middlewares=[self._guarded()])
        for endpoint in self._endpoints:
            for method in endpoint.methods:
                app.router.add_route(method, endpoint.path, self._handler_of(endpoint))
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=limits.timeout_seconds,
            keepalive_timeout=limits.idle_seconds, lingering_time=0.0, logger=_counting(self.guard),
            max_line_size=MAX_LINE_BYTES, max_field_size=MAX_LINE_BYTES, max_headers=MAX_HEADERS,
        )  # fmt: skip
        await self._runner.setup()
        try:
            sockets = listening_sockets(self.host, self.port)
        except OSError as error:
            await self._runner.cleanup()
            raise listen_error(self._address, error) from error
        self.port = int(sockets[0].getsockname()[1])
        server = self._runner.server
        assert server is not None, "it is set up"
        self._acceptor = Acceptor(server, self.guard, limits.flood)
        self._acceptor.start(sockets)

    async def stop(self) -> None:
        """Stop listening; requests in flight may finish within their time-out."""
        if self._acceptor is not None:
            await self._acceptor.stop()
            self._acceptor = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.guard.tell()

    def _guarded(self) -> Middleware:
        """Look at no request of an address whose requests are refused again and again."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            address = self._client(request)
            if not self.guard.looks_at(address):
                self.guard.refuse("rate")
                await asyncio.sleep(self._limits.flood.delay_seconds)
                return _too_many()
            try:
                response = await handler(request)
            except web.HTTPException as error:
                self._count(error.status, address)
                raise
            self._count(response.status, address)
            return response

        return guarded

    def _client(self, request: web.Request) -> str:
        said = request.headers.getall(FORWARDED_FOR, [])
        return client_of(request.remote or "", said, self._limits.flood.trusted_proxies)

    def _count(self, status: int, address: str) -> None:
        if status in REFUSED:
            self.guard.refuse("request", address)
        elif status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.guard.refuse("busy")

    def _handler_of(self, endpoint: InboundEndpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            if endpoint.needs_leader and not self._leads():
                return _unavailable("this replica does not lead")
            if self._in_flight >= self._limits.requests:
                return _unavailable("too many requests in flight")
            self._in_flight += 1
            try:
                return await self._answer(endpoint, request)
            finally:
                self._in_flight -= 1

        return handle

    async def _answer(self, endpoint: InboundEndpoint, request: web.Request) -> web.Response:
        body: bytes | None = None
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                body = await request.read()
                return _response(await endpoint.handler(_inbound(request, body)))
        except TimeoutError:
            if body is None:
                return web.Response(status=408, text="the request took too long", headers={"Connection": "close"})
            log.warning("endpoint took too long", path=endpoint.path)
            return _unavailable("the answer took too long")
        except web.HTTPException:  # of the library itself: the body is too large
            raise
        except Exception:  # must neither end the server nor be shown to the caller
            log.exception("endpoint failed", path=endpoint.path)
            return web.Response(status=500, text="internal error")


def _inbound(request: web.Request, body: bytes) -> InboundRequest:
    return InboundRequest(
        method=request.method,
        path=request.path,
        parts=dict(request.match_info),
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        remote=request.remote or "",
    )


def _response(answer: InboundReply) -> web.Response:
    body = answer.body.encode() if isinstance(answer.body, str) else answer.body
    return web.Response(
        status=answer.status, body=body, headers={"Content-Type": answer.content_type, **answer.headers}
    )


def _unavailable(reason: str) -> web.Response:
    return web.Response(status=503, text=reason, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _too_many() -> web.Response:
    response = web.Response(status=429, text="too many requests were refused", headers={"Retry-After": "1"})
    response.force_close()
    return response


class _Counting(logging.Handler):
    """Counts what the HTTP library would log: requests that are not HTTP."""

    def __init__(self, guard: FloodGuard) -> None:
        super().__init__()
        self._guard = guard

    def emit(self, record: logging.LogRecord) -> None:
        del record
        self._guard.refuse("malformed")


def _counting(guard: FloodGuard) -> logging.Logger:
    logger = logging.Logger("inbound", logging.DEBUG)
    logger.addHandler(_Counting(guard))
    return logger
