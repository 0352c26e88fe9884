"""The HTTP server: TLS on loopback, bearer tokens, and streamed bodies for watches.

It authenticates and moves bytes; what a request means is decided in `requests.handler`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import ssl
from typing import Final
from urllib.parse import unquote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from kubechain_apiserver.requests.handler import refusal
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.authn import ANONYMOUS, Tokens
from kubechain_apiserver.wire.http_types import ConnectionLost, Handler, HttpRequest, HttpResponse, Stream

_SHUTDOWN_SECONDS: Final = 1.0
"""Time limit of `stop` for requests in progress; watches have been ended by then."""

_KEEP_ALIVE_SECONDS: Final = 120.0

_BACKLOG: Final = 4096
"""Connections that wait to be accepted, as many as Go's servers let wait on Linux. Where the queue is full, the system
drops what comes: clients that all connect at once, as after an outage, hang for seconds until they send it again."""


class PortInUseError(Exception):
    """Raised when another program listens on the port."""


class NotLoopbackError(ValueError):
    """Raised for an address that other machines could reach: the server is for development only."""


class HttpServer:
    """Serves an API server on a port of this machine.

    Args:
        context: TLS; kubectl sends its token over nothing else.
        host: A loopback address.
        port: 0 takes a free one.

    Raises:
        NotLoopbackError: `host` is not a loopback address.
    """

    def __init__(
        self, server: Handler, *, tokens: Tokens, context: ssl.SSLContext, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        _require_loopback(host)
        self._server = server
        self._tokens = tokens
        self._context = context
        self._host = host
        self._port = port
        self._streams: set[Stream] = set()
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """URL of the server; the port is known after `start`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"https://{host}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            PortInUseError: Another program has the port.
        """
        low_level = web.Server(
            self._respond,
            request_factory=_request,
            # A watch that nobody reads any more must end at once, not at its next event.
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
        )
        runner = web.ServerRunner(low_level, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port, ssl_context=self._context, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortInUseError(f"listen: {self._host}:{self._port}: another program uses this port") from error
        self._runner = runner
        self._port = runner.addresses[0][1]

    async def stop(self) -> None:
        """End every watch, finish the requests in progress, and close all connections. May be called again."""
        for stream in tuple(self._streams):
            await stream.aclose()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        user = self._tokens.authenticate(request.headers.get("Authorization", ""))
        if user is None:
            return _whole(refusal(errors.unauthorized()))
        try:
            body = await request.read() if request.body_exists and user is not ANONYMOUS else b""
        except web.HTTPRequestEntityTooLarge:
            return _whole(refusal(errors.request_too_large()))
        try:
            response = await self._server.handle(_translated(request, body), user)
        except ConnectionLost:
            return _hung_up(request)
        if isinstance(response.body, bytes):
            return _whole(response)
        return await self._stream(request, response, response.body)

    async def _stream(self, request: web.BaseRequest, response: HttpResponse, stream: Stream) -> web.StreamResponse:
        reply = web.StreamResponse(status=response.status, headers=dict(response.headers))
        reply.enable_chunked_encoding()
        self._streams.add(stream)
        try:
            await reply.prepare(request)
            async for chunk in stream:
                await reply.write(chunk)
        except ConnectionError:
            return reply  # the client went away between two events
        except ConnectionLost:
            _hang_up(request)
            return reply
        finally:
            self._streams.discard(stream)
            await stream.aclose()
        with contextlib.suppress(ConnectionError):
            await reply.write_eof()
        return reply


def _require_loopback(host: str) -> None:
    with contextlib.suppress(ValueError):
        if host == "localhost" or ipaddress.ip_address(host).is_loopback:
            return
    raise NotLoopbackError(
        f'listen: "{host}" is not a loopback address: the embedded control plane is for development, demos and tests '
        "on this machine; production is a cluster"
    )


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    limit = errors.REQUEST_LIMIT_BYTES
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=limit)


def _translated(request: web.BaseRequest, body: bytes) -> HttpRequest:
    path, _, query = request.raw_path.partition("?")
    headers = {key.lower(): value for key, value in request.headers.items()}
    return HttpRequest(request.method, unquote(path), query, headers, body)


def _hang_up(request: web.BaseRequest) -> None:
    """Abort the connection without a reply, as a crash would."""
    if request.transport is not None:
        request.transport.abort()


def _hung_up(request: web.BaseRequest) -> web.Response:
    """Abort the connection before a reply has begun; the returned response is never sent."""
    _hang_up(request)
    return web.Response(status=500)


def _whole(response: HttpResponse) -> web.Response:
    assert isinstance(response.body, bytes)
    return web.Response(status=response.status, headers=dict(response.headers), body=response.body)
