"""Health checks for /healthz and /readyz, the HTTP server for probes and metrics, and the event loop's lag.

Paths, `?verbose` and texts are those of kube-apiserver and controller-runtime. The checks themselves must not go here.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from kubechain.runtime.clock import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Check = Callable[[], str]
"""Returns an error message, empty when the check passes; must not block."""

LAG_INTERVAL_SECONDS = 1.0
"""How often the lag is measured; one timer a second costs 0.01 % of a core."""

LAG_LIMIT_SECONDS = 2.0
"""A loop with a longer lag within the last half minute makes the replica unready."""

LAG_WINDOW = 30


class Checks:
    """The checks of one endpoint."""

    def __init__(self) -> None:
        """Create a set of checks that passes."""
        self._checks: dict[str, Check] = {"ping": lambda: ""}

    def add(self, name: str, check: Check) -> None:
        """Add a check, or replace the one of this name."""
        self._checks[name] = check

    def failures(self) -> dict[str, str]:
        """Return the error messages of the checks that fail, by name."""
        return {name: problem for name, problem in self.results().items() if problem}

    def results(self) -> dict[str, str]:
        """Return the error message of each check, empty where it passes."""
        return {name: check() for name, check in self._checks.items()}

    def render(self, path: str, *, verbose: bool) -> tuple[int, str]:
        """Return status and text in kube-apiserver's form."""
        results = self.results()
        good = not any(results.values())
        if good and not verbose:
            return 200, "ok"
        lines = [f"[-]{name} failed: {text}" if text else f"[+]{name} ok" for name, text in results.items()]
        return (200 if good else 503), "\n".join([*lines, f"{path} check {'passed' if good else 'failed'}", ""])


class LoopWatch:
    """Measures the lag of the event loop: how late it runs a timer."""

    def __init__(self, *, clock: Clock, on_lag: Callable[[float], None]) -> None:
        """Create it; `run` measures.

        Args:
            clock: for times.
            on_lag: called with each measurement in seconds.
        """
        self._clock = clock
        self._on_lag = on_lag
        self._recent: list[float] = []

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due_at = self._clock.monotonic() + LAG_INTERVAL_SECONDS
            await self._clock.sleep(LAG_INTERVAL_SECONDS)
            lag = max(0.0, self._clock.monotonic() - due_at)
            self._recent = [*self._recent[1 - LAG_WINDOW :], lag]
            self._on_lag(lag)

    def check(self) -> str:
        """Return an error message when the lag was too long within the last half minute."""
        worst = max(self._recent, default=0.0)
        return f"event loop stood still for {worst:.1f} s" if worst > LAG_LIMIT_SECONDS else ""


class ListenError(Exception):
    """A server cannot listen at its address."""

    def __init__(self, address: str, reason: str) -> None:
        """Keep the address as it was given, and why."""
        super().__init__(f"listen at {address}: {reason}")
        self.address = address
        self.reason = reason


_LISTEN_REASONS = {
    errno.EADDRINUSE: "another program uses this port",
    errno.EADDRNOTAVAIL: "not an address of this machine",
    errno.EACCES: "the port needs a privilege that this process does not have",
}


def listen_error(address: str, error: OSError) -> ListenError:
    """The error for people that one of the system means."""
    return ListenError(address, _LISTEN_REASONS.get(error.errno or 0) or error.strerror or str(error))


Page = Callable[[Mapping[str, str]], Awaitable[tuple[int, str, str]]]
"""Maps the query to status, content type and text."""

Admit = Callable[[str, str], Awaitable[HTTPStatus]]
"""Judges a path and the header Authorization of who asks for it: anything but 200 is the answer."""


class HttpServer:
    """A read-only HTTP server for probes, metrics and debugging."""

    def __init__(
        self, address: str, pages: Mapping[str, Page], *, tls: ssl.SSLContext | None = None, admit: Admit | None = None
    ) -> None:
        """Create a server.

        Args:
            address: `:8081`, `127.0.0.1:8081` or `[::1]:8081`.
            pages: by path.
            tls: with the server's certificate; None serves plain HTTP.
            admit: who may see the pages; None lets everybody.
        """
        self.host, self.port = split_address(address)
        self._address = address
        self._pages = pages
        self._tls, self._admit = tls, admit
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            ListenError: the address is in use, or not of this machine.
        """
        app = web.Application()
        for path, page in self._pages.items():
            app.router.add_get(path, _guarded(_handler(page), self._admit) if self._admit else _handler(page))
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        self.port = await listen(self._runner, self._address, self._tls)

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def checks_page(path: str, checks: Checks) -> Page:
    """Return the page of a set of checks."""

    async def page(query: Mapping[str, str]) -> tuple[int, str, str]:
        status, text = checks.render(path.strip("/"), verbose="verbose" in query)
        return status, "text/plain; charset=utf-8", text

    return page


def split_address(address: str) -> tuple[str | None, int]:
    """Split `host:port`; an empty host means every interface.

    Raises:
        ValueError: it has another form.
    """
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal():
        raise ValueError(f'address: not host:port: "{address}"')
    return host.strip("[]") or None, int(port)


def _handler(page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        status, content_type, text = await page(request.query)
        return web.Response(status=status, text=text, headers={"Content-Type": content_type})

    return handle


def _guarded(handler: Callable[[web.Request], Awaitable[web.Response]], admit: Admit) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        verdict = await admit(request.path, request.headers.get("Authorization", ""))
        if verdict is HTTPStatus.OK:
            return await handler(request)
        headers = {"WWW-Authenticate": "Bearer"} if verdict is HTTPStatus.UNAUTHORIZED else None
        return web.Response(status=verdict, text=f"{verdict.phrase}\n", headers=headers)

    return handle


async def listen(runner: web.AppRunner, address: str, tls: ssl.SSLContext | None = None) -> int:
    """Let a server listen, and return its port, which the system chooses for port 0.

    Raises:
        ListenError: the address is in use, or not of this machine.
    """
    host, port = split_address(address)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError as error:
        await runner.cleanup()
        raise listen_error(address, error) from error
    addresses: list[Any] = runner.addresses
    return int(addresses[0][1]) if addresses else port
