"""The owner task of one server: opens its connection, maintains it, and reconnects.

One task per server runs `Connection.run`. Only that task enters and exits the context managers of the MCP library; tool
calls use the link while it exists. `plan` decides the next step.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import anyio
import structlog

from kubechain.mcp import plan
from kubechain.mcp.elicitation import Inputs
from kubechain.mcp.errors import NotSent, TimedOut
from kubechain.mcp.failures import ConnectFailure, foreign_text
from kubechain.mcp.link import Connector, Link
from kubechain.mcp.model import CallResult, Limits, Phase, ServerKey, ServerSpec, ServerState
from kubechain.mcp.progress import Progress
from kubechain.mcp.warden import Warden

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Clock(Protocol):
    """Supplies time and random numbers; the clock of the runtime satisfies this protocol."""

    random: random.Random

    def monotonic(self) -> float:
        """Return the time of the event loop in seconds."""
        ...


@dataclass(slots=True)
class ConnectionContext:
    """State and configuration that all connections of a manager share.

    Attributes:
        child_count: Child processes that are starting, running or stopping.
        connect_count: How many times a connection became READY.
    """

    limits: Limits
    clock: Clock
    connector: Connector
    on_change: Callable[[ServerKey], None]
    warden: Warden = field(default_factory=Warden)
    child_count: int = 0
    connect_count: int = 0

    @contextmanager
    def reserve_child(self, spec: ServerSpec) -> Generator[None]:
        """Reserve one of the `Limits.children` child processes of the manager, if the server is a child process.

        Raises:
            ConnectFailure: All of them are in use.
        """
        if spec.transport != "stdio":
            yield
            return
        if self.child_count >= self.limits.children:
            raise ConnectFailure(f"limit: this manager runs {self.limits.children} MCP servers as processes already")
        self.child_count += 1
        try:
            yield
        finally:
            self.child_count -= 1


class _Signals:
    """Events of a connection that its owner task has not yet handled; the `Observer` of the link."""

    def __init__(self, on_early_end: Callable[[], None]) -> None:
        """Create signals without an event.

        Args:
            on_early_end: Called when the connection ends before `is_serving` was set.
        """
        self._on_early_end = on_early_end
        self.failure: ConnectFailure | None = None
        self.is_serving = False
        self.stderr = ""
        self.has_changed_tools = False
        self.is_suspect = False
        self.is_in_doubt = False
        self.respecified_at: float | None = None
        self.woken = asyncio.Event()

    def ended(self, failure: ConnectFailure) -> None:
        self.failure = self.failure or failure
        self.woken.set()
        if not self.is_serving:
            self._on_early_end()

    def said(self, text: str) -> None:
        self.stderr = text

    def tools_changed(self) -> None:
        self.has_changed_tools = True
        self.woken.set()

    def suspect(self) -> None:
        self.is_suspect = self.is_in_doubt = True
        self.woken.set()

    def looking(self) -> None:
        self.has_changed_tools = self.is_suspect = False


class Connection:
    """One server, connected or not."""

    def __init__(self, key: ServerKey, spec: ServerSpec, context: ConnectionContext) -> None:
        """Create the connection without opening it; `run` opens it."""
        self._key = key
        self._spec = spec
        self._fingerprint = spec.fingerprint()
        self._context = context
        self._state = ServerState(Phase.CONNECTING)
        self._signals = _Signals(self._cancel_attempt)
        self._scope: anyio.CancelScope | None = None
        self._link: Link | None = None
        self._calls_in_flight = 0
        self._ready_at: float | None = None
        self._was_ready = False

    # -- for callers ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> ServerState:
        """The current state."""
        is_suspect = self._state.phase == Phase.READY and self._signals.is_in_doubt
        return replace(self._state, is_suspect=is_suspect)

    @property
    def calls_in_flight(self) -> int:
        """Number of calls that wait for a response."""
        return self._calls_in_flight

    def is_specified(self, spec: ServerSpec) -> bool:
        """Return whether the current spec equals this one, secret values included."""
        return spec.fingerprint() == self._fingerprint

    def respecify(self, spec: ServerSpec) -> None:
        """Reconnect if the spec, secret values included, has changed; calls in flight may finish first."""
        if (fingerprint := spec.fingerprint()) == self._fingerprint:
            return
        self._spec, self._fingerprint, self._was_ready = spec, fingerprint, False
        self._signals.respecified_at = self._context.clock.monotonic()
        self._signals.woken.set()
        if self._link is None:
            self._cancel_attempt()
        self._show(Phase.CONNECTING)

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        timeout_seconds: float,
        meta: Mapping[str, Any],
        inputs: Inputs | None = None,
        may_hold: bool = False,
    ) -> CallResult | Inputs:
        """Call a tool.

        Raises:
            McpError: `NotSent` or `Uncertain`; see `errors`.
        """
        if self._link is None or self._state.phase != Phase.READY:
            raise NotSent(f"not connected: {self._state.error or self._state.phase.lower()}")
        if all(tool != offered.name for offered in self._state.tools):
            raise NotSent(f'the server offers no tool "{tool[:64]}"')
        self._calls_in_flight += 1
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._link.call(tool, arguments, meta=meta, inputs=inputs, may_hold=may_hold)
        except TimeoutError as error:
            raise TimedOut(f"no answer within {timeout_seconds:g} s") from error
        finally:
            self._calls_in_flight -= 1
            self._signals.woken.set()

    # -- the owner task ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect to the server, and reconnect when the connection ends, until cancelled."""
        history = plan.History()
        while True:
            failure, served_seconds = await self._connect_once()
            if failure is None:
                history = plan.History()
                continue
            context = self._context
            history, pause = plan.after_failure(
                history,
                failure,
                served_seconds=served_seconds,
                limits=context.limits,
                chance=context.clock.random.random(),
            )
            is_lost = self._was_ready and not failure.is_permanent
            self._show(pause.phase, error=pause.error, retry_in_seconds=pause.seconds, is_lost=is_lost)
            if await self._is_respecified_within(pause.seconds):
                history = plan.History()

    async def _connect_once(self) -> tuple[ConnectFailure | None, float]:
        """Run one connection; return why it ended (None: the spec changed) and for how many seconds it was READY."""
        self._signals, self._ready_at = _Signals(self._cancel_attempt), None
        failure = None
        try:
            failure = await self._connect_and_serve(self._spec)
        except Exception as error:  # noqa: BLE001  the owner task must survive any error of a connection
            _stop_if_cancelled()
            failure = self._failure_of(error)
        finally:
            self._link = self._scope = None
        served_seconds = 0.0 if self._ready_at is None else self._context.clock.monotonic() - self._ready_at
        if self._signals.respecified_at is not None:
            return None, served_seconds
        return self._signals.failure or failure, served_seconds

    async def _connect_and_serve(self, spec: ServerSpec) -> ConnectFailure | None:
        context = self._context
        seconds = spec.start_seconds if spec.starts_program else context.limits.connect_seconds
        with context.reserve_child(spec), anyio.CancelScope() as scope, self._progress(spec) as progress:
            self._scope = scope
            scope.deadline = anyio.current_time() + seconds
            async with context.connector(
                self._key, spec, limits=context.limits, warden=context.warden, observer=self._signals
            ) as link:
                listing = await self._list(link, timeout_seconds=seconds)
                scope.deadline = math.inf
                progress.stop()
                self._enter_service(link, listing, spec)
                await self._serve(link, spec)
                self._link = None
        return self._not_in_time(seconds, spec) if scope.cancelled_caught else None

    def _progress(self, spec: ServerSpec) -> Progress:
        first_seconds = self._context.limits.progress_seconds if spec.starts_program else math.inf
        return Progress(first_seconds, self._show_progress)

    def _show_progress(self, seconds: float) -> None:
        if self._signals.respecified_at is None:
            said = f": {self._signals.stderr}" if self._signals.stderr else ""
            self._show(Phase.CONNECTING, error=f"Starting, {seconds:g} s{said}")

    def _not_in_time(self, seconds: float, spec: ServerSpec) -> ConnectFailure:
        if not spec.starts_program:
            return ConnectFailure(f"no connection within {seconds:g} s")
        what = f"no answer within {seconds:g} s of its start (spec.startTimeoutSeconds)"
        return ConnectFailure(f"{what}: {self._signals.stderr}" if self._signals.stderr else what, kind=what)

    def _cancel_attempt(self) -> None:
        """End an attempt to connect that has become pointless."""
        if self._scope is not None:
            self._scope.cancel()

    def _enter_service(self, link: Link, listing: plan.Listing, spec: ServerSpec) -> None:
        self._link, self._ready_at = link, self._context.clock.monotonic()
        self._signals.is_serving = self._was_ready = True
        self._context.connect_count += 1
        self._show_tools(listing, spec, connects=self._state.connects + 1)

    def _show_tools(self, listing: plan.Listing, spec: ServerSpec, **changes: Any) -> None:
        tools, flaws = plan.offered(listing, spec)
        self._show(Phase.READY, tools=tools, flaws=flaws, **changes)

    async def _serve(self, link: Link, spec: ServerSpec) -> None:
        """Serve calls until the connection fails or the spec changes."""
        clock, signals = self._context.clock, self._signals
        looked_at = clock.monotonic()
        while True:
            signals.woken.clear()
            match plan.in_service(self._service(looked_at), self._context.limits):
                case plan.Close():
                    return
                case plan.Wait(seconds):
                    with anyio.move_on_after(seconds):
                        await signals.woken.wait()
                case plan.Look():
                    signals.looking()
                    failure = await self._look(link, spec)
                    if failure is None:
                        self._trust_again()
                    elif plan.is_fatal(failure, calls_in_flight=self._calls_in_flight):
                        signals.ended(failure)
                    looked_at = clock.monotonic()

    def _trust_again(self) -> None:
        """The server answered a probe: calls that waited for that may be made, unless another error has come since."""
        signals = self._signals
        if signals.is_in_doubt and not signals.is_suspect:
            signals.is_in_doubt = False
            self._context.on_change(self._key)

    def _service(self, looked_at: float) -> plan.Service:
        now, signals = self._context.clock.monotonic(), self._signals
        return plan.Service(
            failure=signals.failure,
            is_respecified=signals.respecified_at is not None,
            has_changed_tools=signals.has_changed_tools,
            is_suspect=signals.is_suspect,
            is_in_doubt=signals.is_in_doubt,
            looked_seconds_ago=now - looked_at,
            respecified_seconds_ago=now - (signals.respecified_at or now),
            calls_in_flight=self._calls_in_flight,
        )

    async def _look(self, link: Link, spec: ServerSpec) -> ConnectFailure | None:
        """List the tools and update the state; return the failure, or None when listing succeeded."""
        try:
            listing = await self._list(link, timeout_seconds=self._context.limits.probe_timeout_seconds)
        except ConnectFailure as failure:
            return failure
        if self._signals.respecified_at is None:
            self._show_tools(listing, spec)
        return None

    async def _list(self, link: Link, *, timeout_seconds: float) -> plan.Listing:
        listing, cursor = plan.Listing(), None
        with anyio.move_on_after(timeout_seconds):
            while True:
                page = await link.list_tools(cursor)
                cursor = page.cursor
                listing = listing.add(page, self._context.limits)
                if cursor is None:
                    return listing
        raise ConnectFailure(f"tools/list: no answer within {timeout_seconds:g} s")

    # -- between connections ----------------------------------------------------------------------------------------

    async def _is_respecified_within(self, seconds: float) -> bool:
        signals = self._signals
        with anyio.move_on_after(seconds):
            while signals.respecified_at is None:
                signals.woken.clear()
                await signals.woken.wait()
        return signals.respecified_at is not None

    def _failure_of(self, error: BaseException) -> ConnectFailure:
        """Convert an exception of the library to a failure."""
        match error:
            case ConnectFailure():
                return error
            case BaseExceptionGroup():
                reasons = [self._failure_of(inner) for inner in error.exceptions]
                return max(reasons, key=lambda reason: (reason.is_permanent, not isinstance(reason, _Unexpected)))
            case _:
                log.debug("mcp connection failed unexpectedly", mcp_server=str(self._key), exc_info=error)
                return _Unexpected(foreign_text(f"{type(error).__name__}: {error}", self._spec.secrets()))

    def _show(self, phase: Phase, **changes: Any) -> None:
        """Update the state; log and call `on_change` if more than `retry_in_seconds` has changed."""
        changes = {"error": "", "retry_in_seconds": None, "is_lost": False, **changes}
        if phase != Phase.READY:
            changes |= {"tools": (), "flaws": ()}
        before, self._state = self._state, replace(self._state, phase=phase, **changes)
        if replace(before, retry_in_seconds=self._state.retry_in_seconds) == self._state:
            return
        log.info(
            "mcp server", mcp_server=str(self._key), phase=phase, error=self._state.error, tools=len(self._state.tools)
        )
        self._context.on_change(self._key)


def _stop_if_cancelled() -> None:
    """Raise `CancelledError` again if another exception replaced it during cleanup."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class _Unexpected(ConnectFailure):
    """A failure from an exception that KubeChain does not map."""
