"""The entry point for other packages: manages one connection per server and calls tools."""

from __future__ import annotations

import asyncio
import importlib
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from kubechain.mcp.connection import Clock, Connection, ConnectionContext
from kubechain.mcp.elicitation import Inputs
from kubechain.mcp.errors import NotSent
from kubechain.mcp.link import Connector, Link, Observer
from kubechain.mcp.model import CallResult, Limits, ServerKey, ServerSpec, ServerState, Statistics
from kubechain.mcp.reaper import reap_orphans
from kubechain.mcp.warden import Warden

_DEFAULT_LIMITS = Limits()


class _LoopClock:
    """A clock on the time of the event loop."""

    def __init__(self) -> None:
        self.random = random.Random()  # noqa: S311  jitter, not secrets

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def _connect_with_library(
    key: ServerKey, spec: ServerSpec, *, limits: Limits, warden: Warden, observer: Observer
) -> AsyncGenerator[Link]:
    # The import takes most of a second and 70 MB. Do it in a thread, when the first server connects.
    sdk = await asyncio.to_thread(importlib.import_module, "kubechain.mcp.sdk")
    async with sdk.connect(key, spec, limits=limits, warden=warden, observer=observer) as link:
        yield link


class ConnectionManager:
    """Connections to MCP servers. All methods except `run`, `remove` and `call` return immediately."""

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
            on_change: Called in the event loop when the state of a server has changed; must not block or raise.
            limits: Limits for the manager and each connection.
            clock: Source of time and jitter; None: the time of the event loop.
            connector: Opens connections; tests replace it to run without the MCP library.
        """
        self._context = ConnectionContext(limits, clock or _LoopClock(), connector, on_change)
        self._connections: dict[ServerKey, Connection] = {}
        self._owners: dict[ServerKey, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Run the owner tasks of all connections until cancelled; then close the connections and stop the children."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(reap_orphans(self._context.warden), name="reaper")
                for key in self._connections:
                    self._start(key)
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None
            self._context.warden.close()

    def ensure(self, key: ServerKey, spec: ServerSpec) -> ServerState:
        """Connect to a server, or reconnect if its spec has changed, in the background; return the current state."""
        if (connection := self._connections.get(key)) is None:
            connection = self._connections[key] = Connection(key, spec, self._context)
            self._start(key)
        else:
            connection.respecify(spec)
        return connection.state

    def is_specified(self, key: ServerKey, spec: ServerSpec) -> bool:
        """Return whether the current spec of a server equals this one, secret values included."""
        connection = self._connections.get(key)
        return connection is not None and connection.is_specified(spec)

    def state(self, key: ServerKey) -> ServerState | None:
        """Return the state of a server; None if `ensure` was not called for it or it was removed."""
        connection = self._connections.get(key)
        return None if connection is None else connection.state

    async def remove(self, key: ServerKey) -> None:
        """Close a connection, and stop its child process with all processes that it started. Idempotent."""
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
        inputs: Inputs | None = None,
        may_hold: bool = False,
    ) -> CallResult | Inputs:
        """Call a tool of a server once, without retries.

        Args:
            key: The server.
            tool: Name of the tool on that server.
            arguments: Arguments that match the schema of the tool; not validated here.
            timeout_seconds: When it expires, the server is asked to cancel the call.
            meta: Contents of `_meta` in the request: the idempotency key and the trace context. Over HTTP, the
                idempotency key is also sent as a header.
            inputs: What the same call returned before, in this process or another one, with a reply to each item.
            may_hold: Whether a server of an older revision may keep the call open for a while when it asks a person;
                only for a call that is never made again because its outcome is unknown. See `floor`.

        Returns:
            The result, or what the server asks a person for before it goes on.

        Raises:
            NotSent: The tool did not run.
            Uncertain: The tool may have run.
        """
        if (connection := self._connections.get(key)) is None:
            raise NotSent(f'unknown MCP server "{key}"')
        return await connection.call(
            tool, arguments, timeout_seconds=timeout_seconds, meta=meta, inputs=inputs, may_hold=may_hold
        )

    def statistics(self) -> Statistics:
        """Return the current number of servers, children and calls."""
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
