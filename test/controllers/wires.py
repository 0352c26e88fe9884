"""What a test puts between a replica and the API server: a ledger of claims, a meddler, watches that stand still.

Set `replica.exchange.inner` (or add to `replica.exchange.points`) right after `World.replica`: the replica has not sent
anything yet.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kubechain.runtime.transport import Exchange, Reply, StreamReply
from test.controllers.world import Point


@dataclass(slots=True)
class Claims(Point):
    """Notes the status of each write into a phase, and harms none."""

    statuses: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def matches(self, method: str, target: str, body: bytes | None) -> bool:
        """Note the write; never a match."""
        if method == "PUT" and body is not None and (status := json.loads(body)["status"]).get("phase") == self.phase:
            self.statuses.append(status)
        return False


@dataclass(slots=True)
class Wire:
    """An exchange that passes everything on; a base for others."""

    inner: Exchange

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        return await self.inner.send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)

    def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AbstractAsyncContextManager[StreamReply]:
        return self.inner.stream(
            target,
            headers=headers,
            connect_timeout_seconds=connect_timeout_seconds,
            idle_timeout_seconds=idle_timeout_seconds,
        )

    async def aclose(self) -> None:
        await self.inner.aclose()


@dataclass(slots=True)
class Meddler(Wire):
    """Somebody who acts after a request was decided on and before it arrives."""

    method: str
    target: str
    meddle: Callable[[], Awaitable[None]]
    count: int = 0

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        if method == self.method and target.partition("?")[0].endswith(self.target) and not self.count:
            self.count += 1
            await self.meddle()
        return await self.inner.send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)


@dataclass(slots=True)
class StandingWatches(Wire):
    """Watches of some kinds bring nothing while they are held: the caches behind them are old.

    Attributes:
        held: Plurals of the kinds that stand still.
    """

    held: set[str] = field(default_factory=set[str])
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self, plural: str) -> None:
        """Let the watches of a kind go on, with all that they missed."""
        self.held.discard(plural)
        self._changed.set()
        self._changed = asyncio.Event()

    def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AbstractAsyncContextManager[StreamReply]:
        opened = self.inner.stream(
            target,
            headers=headers,
            connect_timeout_seconds=connect_timeout_seconds,
            idle_timeout_seconds=idle_timeout_seconds,
        )
        return self._held_back(target.partition("?")[0].rpartition("/")[2], opened)

    @asynccontextmanager
    async def _held_back(
        self, plural: str, opened: AbstractAsyncContextManager[StreamReply]
    ) -> AsyncGenerator[StreamReply]:
        async with opened as reply:
            yield _HeldReply(reply, lambda: self._until_released(plural))

    async def _until_released(self, plural: str) -> None:
        while plural in self.held:
            await self._changed.wait()


@dataclass(slots=True)
class _HeldReply:
    """A stream whose lines wait."""

    reply: StreamReply
    may_pass: Callable[[], Awaitable[None]]

    @property
    def status(self) -> int:
        return self.reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.reply.headers

    @property
    def lines(self) -> AsyncIterator[bytes]:
        return self._lines()

    async def _lines(self) -> AsyncIterator[bytes]:
        async for line in self.reply.lines:
            await self.may_pass()
            yield line

    async def read(self) -> bytes:
        return await self.reply.read()
