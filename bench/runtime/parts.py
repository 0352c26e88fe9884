"""The parts of the bench; each returns figures by the titles that `__main__` prints. Part of the driver."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.driver import API, Driver
from bench.runtime import cluster, operators
from bench.runtime.operators import Operator
from kubechain.runtime import kubeconfig, workqueue
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.keys import Request

Figures = dict[str, float]
Command = Callable[..., list[str]]

QUEUE_ITEMS = 300_000
REQUESTS = 2_000
LATE_SECONDS = 20.0
"""How long an operator may be behind the last change of the stream before what it lacks counts as never handled."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how much to measure."""

    driver: Driver
    kubeconfig: Path
    folder: Path
    objects: int
    parts: frozenset[str]
    idle_seconds: float
    events_per_second: float
    events_seconds: float
    limit_seconds: float

    def operator(self, command: Command, *more: str, objects: int | None = None) -> Operator:
        """An operator process on this server, not started yet."""
        count = self.objects if objects is None else objects
        return Operator(command(self.kubeconfig, count, *more), self.kubeconfig, self.folder / "operator.log")


async def life(bench: Bench, command: Command) -> Figures:
    """One operator from its start over all objects, through idleness, to a stream of changes."""
    version = await cluster.version(bench.driver)
    async with bench.operator(command) as operator:
        await operator.told("all", bench.limit_seconds)
        writes = await cluster.settled(bench.driver, bench.limit_seconds) - version
        figures = _sync(await operator.report(), writes, bench.objects)
        if "latency" in bench.parts:
            figures |= await latency(bench, operator)
        if "idle" in bench.parts:
            figures |= await idle(bench, operator)
        return figures


def _sync(report: dict[str, Any], writes: int, objects: int) -> Figures:
    began = report["marks"]["begin"]
    figures: Figures = {
        "sync: objects handled": report["handled"],
        "sync: API writes": writes,
        "sync: CPU until nothing is left to do, s": report["cpu"] - began[1],
        "sync: RSS after, MiB": report["rss"],
        "sync: memory per object, kB": (report["rss"] - report["rss_before"]) * 1024 / objects,
        "sync: loop stall p99, ms": report["stall_p99"] * 1e3,
        "sync: loop stall at most, ms": report["stall_max"] * 1e3,
    }
    for mark, title in (("synced", "cache filled"), ("all", "all handled")):
        if mark in report["marks"]:
            wall, cpu = report["marks"][mark]
            figures |= {f"sync: {title}, s": wall - began[0], f"sync: {title}, CPU s": cpu - began[1]}
    return figures


async def read(bench: Bench, command: Command) -> Figures:
    """Our sync again, with a handler that reads each object whole, which kopf's always does."""
    async with bench.operator(command, "--read") as operator:
        await operator.told("all", bench.limit_seconds)
        report = await operator.report()
        began, ended = report["marks"]["begin"], report["marks"]["all"]
        return {
            "sync, each object read: all handled, s": ended[0] - began[0],
            "sync, each object read: CPU s": ended[1] - began[1],
        }


async def idle(bench: Bench, operator: Operator) -> Figures:
    """What the operator costs while nothing happens."""
    operator.quiet()
    version = await cluster.settled(bench.driver, bench.limit_seconds)
    before = await operator.report()
    began = time.monotonic()
    await asyncio.sleep(bench.idle_seconds)
    seconds = time.monotonic() - began
    after = await operator.report()
    return {
        "idle: CPU ms per minute": (after["cpu"] - before["cpu"]) / seconds * 60e3,
        "idle: API writes per minute": (await cluster.version(bench.driver) - version) / seconds * 60,
    }


async def latency(bench: Bench, operator: Operator) -> Figures:
    """A steady stream of changes, one object after the other."""
    version = await cluster.version(bench.driver)
    watch = Operator(operators.watcher(bench.kubeconfig, str(version)), bench.kubeconfig, bench.folder / "watcher.log")
    async with watch as plain:
        assert await plain.told("begin", 30), "the plain watch did not start"
        await cluster.changes(bench.driver, bench.objects, per_second=50, seconds=2)  # connections, lazy imports
        await operator.report()
        await plain.report()
        sent = await cluster.changes(
            bench.driver, bench.objects, per_second=bench.events_per_second, seconds=bench.events_seconds
        )
        await cluster.settled(bench.driver, LATE_SECONDS)
        arrived = (await plain.report())["seen"]
        return _latency(await operator.report(), sent, arrived)


def _latency(report: dict[str, Any], sent: dict[str, float], arrived: dict[str, float]) -> Figures:
    handled: dict[str, float] = report["seen"]
    known = [version for version in sent if version in handled]
    added = [handled[version] - arrived[version] for version in known if version in arrived]
    whole = [handled[version] - sent[version] for version in known]
    return {
        "latency: changes sent a second": len(sent) / (max(sent.values()) - min(sent.values())),
        "latency: changes handled in time, %": 100 * len(known) / len(sent),
        "latency: event to handler p50, ms": cluster.percentile(added, 50) * 1e3,
        "latency: event to handler p99, ms": cluster.percentile(added, 99) * 1e3,
        "latency: write to handler p50, ms": cluster.percentile(whole, 50) * 1e3,
        "latency: write to handler p99, ms": cluster.percentile(whole, 99) * 1e3,
        "latency: loop stall p99, ms": report["stall_p99"] * 1e3,
    }


async def failover(bench: Bench, command: Command) -> Figures:
    """Three replicas, one after the other: the first is killed, the second is stopped."""
    replicas = [
        ["--elect"] if command is operators.ours else [f"--priority={number}"] for number in (3, 2, 1)
    ]  # kopf's replicas need a rank
    async with bench.operator(command, *replicas[0]) as first:
        assert await first.told("all", 90), "the first replica did not work"
        async with bench.operator(command, *replicas[1]) as second:
            await asyncio.sleep(5.0)  # until it follows
            killed_at = time.monotonic()
            first.signal(signal.SIGKILL)
            took_over = await second.told("first", 120)
            async with bench.operator(command, *replicas[2]) as third:
                await asyncio.sleep(5.0)
                stopped_at = time.monotonic()
                second.signal(signal.SIGTERM)
                took_over_again = await third.told("first", 120)
    return {
        "failover after a kill, s": took_over["at"] - killed_at if took_over else math.inf,
        "failover after a stop, s": took_over_again["at"] - stopped_at if took_over_again else math.inf,
    }


async def requests(bench: Bench) -> Figures:
    """What one request costs our client, and what of that is aiohttp with TLS: GETs, one after the other."""
    client, paths = bench.driver.client, [f"{API}/taskruns/run-{number % bench.objects}" for number in range(REQUESTS)]
    before = time.process_time()
    for path in paths:
        await client.request("GET", path)
    whole = time.process_time() - before
    cluster = kubeconfig.load(clock=SystemClock(), path=str(bench.kubeconfig))
    headers = {"authorization": await cluster.authorization() or "", "accept": "application/json"}
    connector = aiohttp.TCPConnector(ssl=cluster.ssl or True)
    async with aiohttp.ClientSession(cluster.url, headers=headers, connector=connector) as session:
        before = time.process_time()
        for path in paths:
            async with session.get(path) as reply:
                await reply.read()
    return {
        "request: CPU us": whole / REQUESTS * 1e6,
        "request: CPU us of aiohttp alone": (time.process_time() - before) / REQUESTS * 1e6,
    }


async def queue() -> Figures:
    """The work queue alone: add, get and done."""
    made = workqueue.Queue("bench", clock=SystemClock())
    keys = [Request(f"namespace-{number % 10}", f"run-{number}") for number in range(10_000)]
    before = time.process_time()
    for _ in range(QUEUE_ITEMS // len(keys)):
        for key in keys:
            made.add(key)
        while (item := made.get_nowait()) is not None:
            made.done(item.key)
    return {"queue: items a CPU second": QUEUE_ITEMS / (time.process_time() - before)}


async def bytes_each(driver: Driver) -> Figures:
    """How large the objects are on the wire."""
    reply = await driver.client.request("GET", f"{API}/taskruns/run-0")
    whole = json.loads(reply)
    whole["metadata"].pop("managedFields", None)
    return {"object: bytes": len(reply), "object: bytes without managedFields": len(json.dumps(whole))}
