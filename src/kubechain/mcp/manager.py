"""Connections by server, calls to their tools, all ended together: what other packages use of this one."""

from __future__ import annotations

import asyncio
import importlib
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from kubechain.mcp.connection import Clock, Connection, ConnectionContext
from kubechain.mcp.errors import NotSent
from kubechain.mcp.link import Connector, Link, Observer
from kubechain.mcp.model import CallResult, Limits, ServerKey, ServerSpec, ServerState, Statistics
from kubechain.mcp.warden import Warden

_DEFAULT_LIMITS = Limits()


class _LoopClock:
    """The event loop's time."""

    def __init__(self) -> None:
        self.random = random.Random()  # noqa: S311  jitter, not secrets

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def _connect_with_library(
    key: ServerKey, spec: ServerSpec, *, limits: Limits, warden: Warden, observer: Observer
) -> AsyncGenerator[Link]:
    # Most of a second and 70 MB: paid by those who use MCP, when they first do, beside the event loop.
    sdk = await asyncio.to_thread(importlib.import_module, "kubechain.mcp.sdk")
    async with sdk.connect(key, spec, limits=limits, warden=warden, observer=observer) as link:
        yield link


class ConnectionManager:
    """Connections to MCP servers. Everything but `run`, `remove` and `call` returns at once."""

    def __init__(
        self,
        *,
        on_change: Callable[[ServerKey], None],
        limits: Limits = _DEFAULT_LIMITS,
        clock: Clock | None = None,
        connector: Connector = _connect_with_library,
    ) -> None:
        """Create a manager without connections.

        Args:
            on_change: Called in the event loop whenever a server's state has changed; must not block or raise.
            limits: Bounds for every connection.
            clock: Time and jitter; None: the event loop's time.
            connector: Takes the place of the MCP library in tests.
        """
        self._context = ConnectionContext(limits, clock or _LoopClock(), connector, on_change)
        self._connections: dict[ServerKey, Connection] = {}
        self._owners: dict[ServerKey, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Own all connections until cancelled; then end them, and every child process."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for key in self._connections:
                    self._start(key)
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None
            self._context.warden.close()

    def ensure(self, key: ServerKey, spec: ServerSpec) -> ServerState:
        """Have a server connected, in this way; return how that stands. Connects anew when the spec is another."""
        if (connection := self._connections.get(key)) is None:
            connection = self._connections[key] = Connection(key, spec, self._context)
            self._start(key)
        else:
            connection.respecify(spec)
        return connection.state

    def is_specified(self, key: ServerKey, spec: ServerSpec) -> bool:
        """Return whether a server was ensured with this very spec, secrets included."""
        connection = self._connections.get(key)
        return connection is not None and connection.is_specified(spec)

    def state(self, key: ServerKey) -> ServerState | None:
        """Return how a server stands; None: it was never ensured, or was removed."""
        connection = self._connections.get(key)
        return None if connection is None else connection.state

    async def remove(self, key: ServerKey) -> None:
        """End a connection, and its child process with all that it started. Idempotent."""
        self._connections.pop(key, None)
        if (owner := self._owners.pop(key, None)) is not None:
            owner.cancel()
            await asyncio.wait([owner])

    async def call(
        self,
        key: ServerKey,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        timeout_seconds: float,
        meta: Mapping[str, Any],
    ) -> CallResult:
        """Call a tool of a server, once; nothing is ever repeated here.

        Args:
            key: The server.
            tool: Its name for the tool.
            arguments: As the tool's schema wants them; not checked here.
            timeout_seconds: After it the server is told to stop.
            meta: Goes into the request's `_meta`: the idempotency key, the trace context. The idempotency key is sent
                as a header too, over HTTP.

        Raises:
            NotSent: certainly not executed.
            Uncertain: it may have been executed.
        """
        if (connection := self._connections.get(key)) is None:
            raise NotSent(f'unknown MCP server "{key}"')
        return await connection.call(tool, arguments, timeout_seconds=timeout_seconds, meta=meta)

    def statistics(self) -> Statistics:
        """Return what there is at the moment."""
        connections = self._connections.values()
        return Statistics(
            servers=Counter(connection.state.phase for connection in connections),
            children=self._context.child_count,
            calls_in_flight=sum(connection.calls_in_flight for connection in connections),
            connects=self._context.connect_count,
        )

    def _start(self, key: ServerKey) -> None:
        if self._tasks is not None:
            self._owners[key] = self._tasks.create_task(self._connections[key].run(), name=f"mcp {key}")
