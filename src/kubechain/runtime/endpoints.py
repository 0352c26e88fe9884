"""Inbound HTTP for people and services outside of the cluster, such as callbacks: an address of its own, with limits.

Handlers are added with `Manager.add_endpoint`; without one nothing listens. Probes and metrics are in `health`: what is
open to the world shares no port with them. Handlers see plain values, never the HTTP library.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from kubechain.runtime.health import bound_port, split_address

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

METHODS = ("GET", "POST")

MAX_BODY_BYTES = 256 * 1024
"""A callback of Slack or of a mail service has a few kilobytes."""

MAX_REQUESTS = 64
"""Requests in flight; more are answered 503, so that a flood costs neither memory nor the reconciles their turn."""

REQUEST_TIMEOUT_SECONDS = 10.0
"""For reading the body and for the handler together; Slack gives up after 3 s, browsers and webhooks after 30 s."""

IDLE_SECONDS = 15.0
"""How long a connection may stay open without a request."""

RETRY_AFTER_SECONDS = 5
"""What 503 asks for: about the time in which another replica takes over from one that stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundRequest:
    """A request as a handler sees it.

    Attributes:
        parts: what stands for the `{names}` of the path.
        headers: by name in lower case.
        remote: the peer's address; a proxy's, where there is one.
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
    """What a handler answers."""

    status: int = 200
    body: str | bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


InboundHandler = Callable[[InboundRequest], Awaitable[InboundReply]]
"""Answers one request; cancelled when its time is over. An exception is logged and answered 500 without its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundEndpoint:
    """A path and who answers there.

    Attributes:
        path: may have parts in braces, as in `/approvals/{id}`.
        needs_leader: answer 503 while this replica does not lead.
    """

    path: str
    handler: InboundHandler
    methods: Sequence[str] = METHODS
    needs_leader: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLimits:
    """What a caller may cost."""

    body_bytes: int = MAX_BODY_BYTES
    requests: int = MAX_REQUESTS
    timeout_seconds: float = REQUEST_TIMEOUT_SECONDS
    idle_seconds: float = IDLE_SECONDS


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
            endpoints: what it serves; every other path is 404.
            leads: whether this replica leads at the moment.
            limits: None for the defaults.
        """
        self.host, self.port = split_address(address)
        self._endpoints = endpoints
        self._leads = leads
        self._limits = limits or EndpointLimits()
        self._in_flight = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken, or not ours.
        """
        limits = self._limits
        app = web.Application(client_max_size=limits.body_bytes)
        for endpoint in self._endpoints:
            for method in endpoint.methods:
                app.router.add_route(method, endpoint.path, self._handler_of(endpoint))
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=limits.timeout_seconds,
            keepalive_timeout=limits.idle_seconds, lingering_time=0.0,
        )  # fmt: skip
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = bound_port(self._runner) or self.port

    async def stop(self) -> None:
        """Stop listening; requests in flight may finish within their time."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

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
        except Exception:  # one request hurts no other, and its caller learns nothing about the inside
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
