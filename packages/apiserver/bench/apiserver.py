"""Requests a second and latency of the embedded API server, beside kube-apiserver with etcd on the same machine.

    python -m packages.apiserver.bench.apiserver --requests 2000 --at-once 16 --servers embedded,real

One client process with a few connections asks; the objects are TaskRuns of about a kilobyte. The client shares the
machine with the server, so the ratio of the columns says more than a single figure. A fan-out is one write that many
watches see: from sending it until the last of them has it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import aiohttp
import uvloop
import yaml

from kubechain.api.crd import custom_resource_definitions
from packages.apiserver.conformance.servers import Server, ServerName, running

RUNS = "/apis/kubechain.humanlayer.dev/v1alpha1/namespaces/default/taskruns"
MERGE = {"content-type": "application/merge-patch+json"}
LISTED = 500
"""Objects in a list."""
WATCHES = 100
FAN_OUTS = 50


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one kind of request."""

    per_second: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description="API servers beside each other.")
    parser.add_argument("--requests", type=int, default=2000, help="of each kind")
    parser.add_argument("--at-once", type=int, default=16, help="requests under way")
    parser.add_argument("--servers", default="embedded,real", help="which of embedded and real")
    options = parser.parse_args()
    found: dict[str, dict[str, Figures]] = {}
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start")
    for name in options.servers.split(","):
        with server(name) as plane:
            found[name] = uvloop.run(measure(plane, options.requests, options.at_once))
    show(found)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


@contextlib.contextmanager
def server(name: ServerName) -> Generator[Server]:
    """A server with our kinds, for the time of the measurement."""
    kinds = [*custom_resource_definitions()]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, running(name, Path(folder), kinds) as plane:
        yield plane


async def measure(plane: Server, requests: int, at_once: int) -> dict[str, Figures]:
    """Measure every kind of request, in an order in which each has the objects that it needs."""
    config: dict[str, Any] = yaml.safe_load(plane.kubeconfig.read_text())
    url = config["clusters"][0]["cluster"]["server"]
    authority = plane.kubeconfig.parent / "authority.pem"
    authority.write_bytes(_decoded(config))
    context = ssl.create_default_context(cafile=str(authority))
    headers = {"authorization": f"Bearer {plane.token}", "user-agent": "bench"}
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    async with aiohttp.ClientSession(url, headers=headers, connector=connector) as session:
        return await Client(session, requests, at_once).everything()


def _decoded(config: dict[str, Any]) -> bytes:
    return base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])


class Client:
    """Asks one server."""

    def __init__(self, session: aiohttp.ClientSession, requests: int, at_once: int) -> None:
        self._session = session
        self._requests = requests
        self._at_once = at_once
        self._stored: dict[int, dict[str, Any]] = {}

    async def everything(self) -> dict[str, Figures]:
        """Each kind of request, measured."""
        lists = max(self._requests // 20, 20)
        return {
            "create": await self._timed(self._create, self._requests),
            "get": await self._timed(self._get, self._requests),
            f"list of {LISTED}": await self._timed(self._list, lists),
            "merge patch": await self._timed(self._patch, self._requests),
            "status update": await self._timed(self._put_status, self._requests),
            f"fan-out to {WATCHES} watches": await self._fan_out(),
        }

    async def _timed(self, ask: Callable[[int], Awaitable[None]], count: int) -> Figures:
        numbers = iter(range(count))
        took: list[float] = []

        async def worker() -> None:
            for number in numbers:
                began = time.perf_counter()
                await ask(number)
                took.append(time.perf_counter() - began)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(worker())
        return figures(took, time.perf_counter() - began)

    async def _ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        given = {"content-type": "application/json", **(headers or {})} if data else (headers or {})
        async with self._session.request(method, path, data=data, headers=given) as reply:
            answer = await reply.read()
            assert reply.status < 300, answer
            return answer

    async def _create(self, number: int) -> None:
        self._stored[number] = json.loads(await self._ask("POST", RUNS, a_run(number)))

    async def _get(self, number: int) -> None:
        await self._ask("GET", f"{RUNS}/run-{number}")

    async def _list(self, _: int) -> None:
        await self._ask("GET", f"{RUNS}?limit={LISTED}")

    async def _patch(self, number: int) -> None:
        change = {"metadata": {"annotations": {"bench": str(number)}}}
        self._stored[number] = json.loads(await self._ask("PATCH", f"{RUNS}/run-{number}", change, MERGE))

    async def _put_status(self, number: int) -> None:
        body = {**self._stored[number], "status": {"phase": "Initializing", "statusDetail": "x" * 200}}
        await self._ask("PUT", f"{RUNS}/run-{number}/status", body)

    async def _fan_out(self) -> Figures:
        took: list[float] = []
        queue: asyncio.Queue[float] = asyncio.Queue()
        async with contextlib.AsyncExitStack() as stack:
            path = f"{RUNS}?watch=1&resourceVersion={await self._version()}"
            for _ in range(WATCHES):
                reply = await stack.enter_async_context(self._session.get(path))
                task = asyncio.create_task(_count_lines(reply, queue))
                stack.callback(task.cancel)
            for number in range(FAN_OUTS):
                began = time.perf_counter()
                await self._ask("PATCH", f"{RUNS}/run-0", {"metadata": {"annotations": {"n": str(number)}}}, MERGE)
                took.append(max([await queue.get() for _ in range(WATCHES)]) - began)
        return figures(took, sum(took))

    async def _version(self) -> str:
        return json.loads(await self._ask("GET", f"{RUNS}?limit=1"))["metadata"]["resourceVersion"]


async def _count_lines(reply: aiohttp.ClientResponse, queue: asyncio.Queue[float]) -> None:
    async for line in reply.content:
        if line.strip():
            queue.put_nowait(time.perf_counter())


def a_run(number: int) -> dict[str, Any]:
    """A TaskRun as tasks make them."""
    return {
        "apiVersion": "kubechain.humanlayer.dev/v1alpha1",
        "kind": "TaskRun",
        "metadata": {"name": f"run-{number}", "labels": {"kubechain.humanlayer.dev/task": "bench"}},
        "spec": {"taskRef": {"name": "bench"}},
    }


def figures(took: list[float], seconds: float) -> Figures:
    """Figures of durations, in the time that all of them took together."""
    cuts = quantiles(took, n=100)
    return Figures(len(took) / seconds, cuts[49] * 1000, cuts[98] * 1000)


def show(found: dict[str, dict[str, Figures]]) -> None:
    """Print a line for each kind of request, and how many times faster the first server is than the second."""
    names = list(found)
    heads = "".join(f"{name:>14} req/s{'p50 ms':>9}{'p99 ms':>9}" for name in names)
    print(f"{'':28}{heads}{'ratio' if len(names) == 2 else '':>9}")
    for kind in found[names[0]]:
        row = [found[name][kind] for name in names]
        cells = "".join(f"{each.per_second:>20.0f}{each.p50_ms:>9.2f}{each.p99_ms:>9.2f}" for each in row)
        ratio = f"{row[0].per_second / row[1].per_second:>9.2f}" if len(row) == 2 else ""
        print(f"{kind:28}{cells}{ratio}")


if __name__ == "__main__":
    sys.exit(main())
