"""A running connection manager, servers to connect to, and the proof that nothing is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from kubechain.mcp.manager import ConnectionManager
from kubechain.mcp.model import CallResult, Limits, Phase, ServerKey, ServerSpec, ServerState
from kubechain.mcp.process import ChildProcess

SERVERS = Path(__file__).with_name("servers")

QUICK = Limits(
    connect_seconds=10, probe_seconds=30, probe_timeout_seconds=5, stop_grace_seconds=0.2, retry_first_seconds=0.01,
    retry_most_seconds=0.1,
)  # fmt: skip
"""For tests that wait for the end of a pause."""


def a_server(script: str, *args: str, env: dict[str, str] | None = None, **more: Any) -> ServerSpec:
    """One of the scripts beside this file."""
    return ServerSpec(
        "stdio",
        command=sys.executable,
        args=(str(SERVERS / f"{script}.py"), *args),
        env={name: SecretStr(value) for name, value in (env or {}).items()},
        **more,
    )


def a_key(name: str = "server", *, namespace: str = "default") -> ServerKey:
    """The key of a server."""
    return ServerKey(namespace, f"uid-{name}", name)


class World:
    """A manager, and what it told."""

    def __init__(self, limits: Limits = QUICK) -> None:
        """Create a manager that does not run yet."""
        self.manager = ConnectionManager(on_change=self._changed, limits=limits)
        self.history: dict[ServerKey, list[ServerState]] = {}
        self._news = asyncio.Event()

    def _changed(self, key: ServerKey) -> None:
        if (state := self.manager.state(key)) is not None:
            self.history.setdefault(key, []).append(state)
        self._news.set()

    async def until(self, condition: Callable[[], bool], *, seconds: float = 20) -> None:
        """Wait until something holds; looked at with all news, and without news too."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 0.05)

    async def until_state(self, key: ServerKey, condition: Callable[[ServerState], bool]) -> ServerState:
        """Wait until a server was in some state; return that state."""
        await self.until(lambda: any(map(condition, self.history.get(key, []))))
        return next(state for state in self.history[key] if condition(state))

    async def ready(self, spec: ServerSpec, name: str = "server", *, seconds: float = 20) -> ServerKey:
        """Connect to a server."""
        key = a_key(name)
        self.manager.ensure(key, spec)
        await self.until(lambda: self.state(key).phase == Phase.READY, seconds=seconds)
        return key

    def state(self, key: ServerKey) -> ServerState:
        """How a server stands."""
        state = self.manager.state(key)
        assert state is not None
        return state

    async def call(
        self,
        key: ServerKey,
        tool: str,
        *,
        timeout_seconds: float = 10,
        meta: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> CallResult:
        """Call a tool that asks nobody."""
        result = await self.manager.call(key, tool, arguments, timeout_seconds=timeout_seconds, meta=meta or {})
        assert isinstance(result, CallResult), result
        return result


@pytest.fixture
async def world(started: list[int]) -> AsyncIterator[World]:
    """A running manager with quick limits."""
    async with running(World()) as world:
        yield world


@contextlib.asynccontextmanager
async def running(world: World) -> AsyncGenerator[World]:
    """Run a manager, and end it as the composition root does."""
    owner = asyncio.create_task(world.manager.run())
    try:
        yield world
    finally:
        owner.cancel()
        await asyncio.wait([owner])
    assert owner.cancelled(), owner.exception()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The numbers of all child processes of the test; none of their groups may be left."""
    groups: list[int] = []
    original = ChildProcess.__init__

    def init(self: ChildProcess, *args: Any) -> None:
        original(self, *args)
        groups.append(self.pid)

    monkeypatch.setattr(ChildProcess, "__init__", init)
    yield groups
    assert not alive(groups)


def alive(groups: list[int]) -> list[str]:
    """The processes of these groups that have not ended."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group, *_ = path.read_text().rpartition(")")[2].split()
            if int(group) in groups and state != "Z":
                found.append(path.parent.name)
    return found


def gone(pid: int, *, seconds: float = 10) -> bool:
    """Wait for the end of any process."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def resident_bytes() -> int:
    """The memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
