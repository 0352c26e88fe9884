"""The way of a simulated process to the API server: slow, and as unreliable as the plan says.

Writes are W points. Leases and Events pass unnumbered: nothing may depend on them.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from kubechain.runtime.errors import TransportError
from kubechain.runtime.transport import Exchange, Reply, StreamReply, WholeReply
from test.simulation.outside import Outside
from test.simulation.plans import Plan
from test.simulation.points import Points, Process

ERROR_SHARE = 0.3
STORM_SHARE = 0.15
STALE_SECONDS = 45.0
"""How long caches stand still: longer than any retry that does not look first."""

_UNNUMBERED = ("/events", "/leases", "/selfsubjectaccessreviews")
_REASONS = {403: "Forbidden", 409: "Conflict", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}


class Weather:
    """What the wires of one simulation suffer, until it clears up.

    Attributes:
        is_bad: Whether faults of the random kind still happen.
    """

    def __init__(self, plan: Plan, seed: int, *, compact: Callable[[], None]) -> None:
        """Take what is planned.

        Args:
            compact: Lets the API server forget the past.
        """
        self.plan = plan
        self.compact = compact
        self.chance = random.Random(f"weather {plan} {seed}")
        self.is_bad = True
        self._is_timed = False
        self._fresh = asyncio.Event()

    @property
    def has_errors(self) -> bool:
        """Whether requests fail at random."""
        return self.is_bad and self.plan.has_errors

    @property
    def has_storms(self) -> bool:
        """Whether watches fail at random."""
        return self.is_bad and self.plan.has_storms

    def clear_up(self) -> None:
        """No more faults."""
        self.is_bad = False
        self._fresh.set()

    def holds_back(self, target: str) -> bool:
        """Whether the caches that a watch fills are to stand still."""
        return self.plan.fault == "stale" or (self.plan.fault == "behind" and "/taskruns?" in target)

    async def wait_while_stale(self, revision: int) -> None:
        """Hold back what is newer than the caches may be."""
        if not self.is_bad or revision <= self.plan.at:
            return
        if not self._is_timed:
            self._is_timed = True
            asyncio.get_running_loop().call_later(STALE_SECONDS, self._fresh.set)
        await self._fresh.wait()


class Wire:
    """An exchange for one process; satisfies the runtime's seam."""

    def __init__(
        self,
        inner: Exchange,
        process: Process,
        points: Points,
        weather: Weather,
        *,
        outside: Outside,
        acted: Callable[[str], None],
        seed: int,
    ) -> None:
        """Put it around an exchange that always works.

        Args:
            acted: Told of each write on its way: people may act before it arrives.
        """
        self._inner = inner
        self._outside = outside
        self._acted = acted
        self._process = process
        self._points = points
        self._weather = weather
        self._chance = random.Random(f"wire {process.name} {seed}")

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        """Send one request; what a dead process sends never arrives."""
        is_unnumbered = method == "GET" or any(kind in target for kind in _UNNUMBERED)
        label = "" if is_unnumbered else _label(method, target, body)
        if label.startswith(tuple(self._outside.refused_writes)):
            await self._pause()
            return _refusal(403)

        async def send() -> Reply:
            if label:
                self._acted(label)
            await self._pause()
            if self._process.is_dead:
                await self._process.gone()
            if self._process.is_cut_off:
                raise TransportError("no route to host")
            reply = await self._inner.send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)
            await self._pause()
            return reply

        if self._weather.has_errors and self._weather.chance.random() < ERROR_SHARE:
            return await self._failed(method, send)
        if is_unnumbered:
            return await send()
        return await self._points.passing(self._process, label, send, lost=_reset)

    async def _failed(self, method: str, send: Any) -> Reply:
        code = self._weather.chance.choice([409, 429, 500, 503, 0, -1])
        await self._pause()
        if code == -1 and not self._process.is_dead:
            await send()
        if code <= 0 or (code == 409 and method == "GET"):
            raise TransportError("connection reset")
        return _refusal(code)

    async def _pause(self) -> None:
        await asyncio.sleep(self._chance.choice((0.0, 0.0, 0.001, 0.01, 0.05)))

    @asynccontextmanager
    async def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AsyncGenerator[StreamReply]:
        """Open a watch."""
        await self._pause()
        if self._process.is_dead:
            await self._process.gone()
        if self._process.is_cut_off or (self._weather.has_errors and self._weather.chance.random() < ERROR_SHARE):
            raise TransportError("connection refused")
        async with self._inner.stream(
            target,
            headers=headers,
            connect_timeout_seconds=connect_timeout_seconds,
            idle_timeout_seconds=idle_timeout_seconds,
        ) as reply:
            is_held_back = self._weather.holds_back(target)
            yield _Watch(reply, self._process, self._weather, self._chance, is_held_back=is_held_back)

    async def aclose(self) -> None:
        """Close the inner one."""
        await self._inner.aclose()


class _Watch:
    """A stream of events on a bad line."""

    def __init__(
        self, inner: StreamReply, process: Process, weather: Weather, chance: random.Random, *, is_held_back: bool
    ) -> None:
        self.status = inner.status
        self.headers = inner.headers
        self._inner = inner
        self._process = process
        self._weather = weather
        self._chance = chance
        self._is_held_back = is_held_back

    async def read(self) -> bytes:
        return await self._inner.read()

    @property
    def lines(self) -> AsyncIterator[bytes]:
        return self._lines()

    async def _lines(self) -> AsyncGenerator[bytes]:
        async for line in self._inner.lines:
            # Events of one write reach one process before, and another one after its own reply.
            await asyncio.sleep(self._chance.choice((0.0, 0.0, 0.0, 0.005, 0.1)))
            if self._process.is_dead:
                await self._process.gone()
            if self._process.is_cut_off:
                raise TransportError("connection reset")
            if self._is_held_back:
                await self._weather.wait_while_stale(_revision(line))
            storm = self._storm()
            if storm == "close":
                return
            if storm == "expire":
                yield _EXPIRED
                return
            if storm == "compact":
                self._weather.compact()  # what this line says will only be found by a new list
                return
            if storm == "delay":
                await asyncio.sleep(self._weather.chance.uniform(0.1, 20.0))
            yield line
            if storm == "double":
                yield line

    def _storm(self) -> str:
        if not self._weather.has_storms or self._weather.chance.random() >= STORM_SHARE:
            return ""
        return self._weather.chance.choice(["close", "expire", "compact", "delay", "double"])


_EXPIRED = json.dumps(
    {
        "type": "ERROR",
        "object": {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": 410,
            "reason": "Expired",
            "message": "too old resource version",
        },
    }
).encode()


def _revision(line: bytes) -> int:
    obj = json.loads(line)["object"]
    return int(obj.get("metadata", {}).get("resourceVersion", 0))


def _reset() -> Exception:
    return TransportError("connection reset")


def _refusal(code: int) -> Reply:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": _REASONS[code]}
    return WholeReply(code, {}, json.dumps(body | {"message": f"injected {code}"}).encode())


def _label(method: str, target: str, body: bytes | None) -> str:
    """`PUT taskruns/hello-1/status ReadyForLLM`; that of a claim ends with its turn: `SendContextWindowToLLM/0`."""
    path = target.partition("?")[0].rpartition("/namespaces/")[2].partition("/")[2]
    sent: dict[str, Any] = json.loads(body) if body else {}
    status: dict[str, Any] = sent.get("status") or {}
    name = sent.get("metadata", {}).get("name", "") if method == "POST" else ""
    place = str(status.get("phase") or status.get("status") or "")
    if place == "SendContextWindowToLLM":
        place = f"{place}/{status['llm']['turn']}"
    words = [method, f"{path}/{name}" if name else path, place]
    return " ".join(word for word in words if word)
