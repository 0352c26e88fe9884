"""Twenty thousand finished runs and two thousand in flight: what they cost the manager in memory, and how it starts.

    python -m bench.memory --finished 20000 --kib 5 --in-flight 2000 --servers embedded

1. A manager lets one run go through, and ends. A plain client writes that run `--finished` times, with a message that
   makes each of them as large as asked.
2. A manager starts on them: how long until it is ready, and what it takes when it is idle.
3. `--in-flight` runs are created whose model never answers, and the bench waits until the model has all of their calls.
4. The manager is killed and another one started, on the same host as a container that restarts in its pod, so that it
   knows at once that the claims of the dead one are abandoned: how long until it is ready, and until the model has the
   calls of all runs again.

The memory is the resident set of the manager's process, a few seconds after the last of the work. While other
processes fill the machine, memory stays what it is, and only the times mean little: all runs in flight begin in the
same moment of the start, and a manager whose event loop stood still for more than two seconds calls itself unready for
the next thirty.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.driver import API, Driver, watching
from bench.limit import identity
from bench.processes import ManagerProcess, mock_model, server
from bench.report import load_shown, show_table
from test.e2e.processes import KUBECHAIN

WRITERS = 50
"""Writes of the plain client at a time."""

SETTLE_SECONDS = 5.0
"""From the last of the work until memory is read: what a start or a burst needed is given back."""

PAGE = 500


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server gave."""

    object_kib: float
    empty_rss_mib: float
    list_seconds: float
    start_seconds: float
    finished_rss_mib: float
    in_flight_rss_mib: float
    in_flight_seconds: float
    again_start_seconds: float
    again_seconds: float
    again_rss_mib: float

    @property
    def finished_kib(self) -> float:
        """Memory of all finished runs."""
        return (self.finished_rss_mib - self.empty_rss_mib) * 1024

    @property
    def in_flight_kib(self) -> float:
        """Memory of all runs in flight."""
        return (self.in_flight_rss_mib - self.finished_rss_mib) * 1024


async def side_by_side(names: Sequence[str], make: Callable[[str], Awaitable[object]]) -> None:
    """Make all of them, some at a time."""
    waiting = iter(names)

    async def work() -> None:
        for name in waiting:
            await make(name)

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(work())


def padded(run: dict[str, Any], size: int) -> dict[str, Any]:
    """That run with an answer that makes it as large as asked, as JSON."""
    missing = max(0, size - len(json.dumps(run, separators=(",", ":")))) // 2
    status = run["status"]
    *before, answer = status["contextWindow"]
    longer = {**answer, "content": answer["content"] + "." * missing}
    output = {"output": status["output"] + "." * missing}
    return {**run, "status": {**status, **output, "contextWindow": [*before, longer]}}


async def write_finished(driver: Driver, run: dict[str, Any], names: Sequence[str]) -> None:
    """Copies of a finished run, each by its creation and one write of its status."""

    async def write(name: str) -> None:
        body = {"apiVersion": run["apiVersion"], "kind": run["kind"], "spec": run["spec"], "metadata": {"name": name}}
        reply = await driver.client.request("POST", f"{API}/taskruns", body=json.dumps(body).encode())
        body["metadata"] = {"name": name, "namespace": "default", **identity(reply)}
        whole = json.dumps({**body, "status": run["status"]}).encode()
        await driver.client.request("PUT", f"{API}/taskruns/{name}/status", body=whole)

    await side_by_side(names, write)


async def list_all(driver: Driver) -> float:
    """Seconds that a list of all runs takes, page by page, without decoding more than where to go on."""
    began, token = time.perf_counter(), ""
    while True:
        page = await driver.client.request("GET", f"{API}/taskruns?limit={PAGE}{token}")
        more = json.loads(page)["metadata"].get("continue")
        if not more:
            return time.perf_counter() - began
        token = f"&continue={more}"


async def hold(driver: Driver, base_url: str, count: int) -> None:
    """Runs whose model never answers."""
    parameters = {"baseUrl": base_url, "model": "hang"}
    llm = {"provider": "openai", "parameters": parameters, "timeoutSeconds": 3600, "maxConcurrentRequests": count}
    await driver.create("llms", "LLM", "held", llm)
    await driver.create("agents", "Agent", "held", {"llmRef": {"name": "held"}, "system": "You are helpful."})
    spec = {"agentRef": {"name": "held"}, "userMessage": "Hello?"}
    names = [f"held-{number}" for number in range(count)]
    await side_by_side(names, lambda name: driver.create("taskruns", "TaskRun", name, spec))


async def until_held(base_url: str, count: int, deadline_seconds: float) -> float:
    """Seconds until the model has so many calls in flight."""
    began = time.perf_counter()
    while (found := await asyncio.to_thread(calls_in_flight, base_url)) < count:
        if time.perf_counter() - began > deadline_seconds:
            raise TimeoutError(f"{found} of {count} calls in flight after {deadline_seconds:.0f} s")
        await asyncio.sleep(0.2)
    return time.perf_counter() - began


def calls_in_flight(base_url: str) -> int:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats") as reply:
        return int(json.loads(reply.read())["inFlight"])


async def measure(path: Path, folder: Path, base_url: str, options: argparse.Namespace) -> Figures:
    """One server, from an empty one to the second manager."""
    count = options.in_flight
    async with watching(path) as driver:
        with ManagerProcess(path, folder, count) as manager:
            await driver.agent(base_url, count)
            run = padded((await driver.versions_of_one("planned"))[-1], options.kib * 1024)
            await asyncio.sleep(SETTLE_SECONDS)
            empty_rss = manager.rss_mib
        await write_finished(driver, run, [f"finished-{number}" for number in range(options.finished)])
        list_seconds = await list_all(driver)
        with ManagerProcess(path, folder, count) as manager:
            await asyncio.sleep(SETTLE_SECONDS)
            start_seconds, finished_rss = manager.start_seconds, manager.rss_mib
            began = time.perf_counter()
            await hold(driver, base_url, count)
            await until_held(base_url, count, options.deadline)
            in_flight_seconds = time.perf_counter() - began
            await asyncio.sleep(SETTLE_SECONDS)
            in_flight_rss = manager.rss_mib
            manager.kill()
        await until_dropped(base_url, options.deadline)
        with ManagerProcess(path, folder, count) as manager:
            again_seconds = manager.start_seconds + await until_held(base_url, count, options.deadline)
            await asyncio.sleep(SETTLE_SECONDS)
            figures = Figures(
                object_kib=len(json.dumps(run, separators=(",", ":"))) / 1024,
                empty_rss_mib=empty_rss,
                list_seconds=list_seconds,
                start_seconds=start_seconds,
                finished_rss_mib=finished_rss,
                in_flight_rss_mib=in_flight_rss,
                in_flight_seconds=in_flight_seconds,
                again_start_seconds=manager.start_seconds,
                again_seconds=again_seconds,
                again_rss_mib=manager.rss_mib,
            )
            manager.kill()
        return figures


async def until_dropped(base_url: str, deadline_seconds: float) -> None:
    """Until the model has seen that its callers are gone."""
    began = time.perf_counter()
    while await asyncio.to_thread(calls_in_flight, base_url):
        if time.perf_counter() - began > deadline_seconds:
            raise TimeoutError("calls of the dead manager are still in flight")
        await asyncio.sleep(0.2)


ROWS = (
    ("size of a finished run, KiB", "object_kib", "{:.1f}"),
    ("manager RSS, no runs, MiB", "empty_rss_mib", "{:.0f}"),
    ("plain list of all runs, s", "list_seconds", "{:.2f}"),
    ("manager start to ready, s", "start_seconds", "{:.2f}"),
    ("manager RSS, finished runs, MiB", "finished_rss_mib", "{:.0f}"),
    ("seconds until all are in flight", "in_flight_seconds", "{:.1f}"),
    ("manager RSS, and in flight, MiB", "in_flight_rss_mib", "{:.0f}"),
    ("after SIGKILL, start to ready, s", "again_start_seconds", "{:.2f}"),
    ("… until all are in flight, s", "again_seconds", "{:.1f}"),
    ("… its RSS, MiB", "again_rss_mib", "{:.0f}"),
)


def show(results: dict[str, Figures], options: argparse.Namespace) -> None:
    """The table, a column for each server."""
    print(f"{options.finished} finished runs, {options.in_flight} in flight\n")
    show_table(results, ROWS, title_width=34, column_width=12)
    for title, field, count in (
        ("KiB of memory a finished run", "finished_kib", options.finished),
        ("KiB of memory a run in flight", "in_flight_kib", options.in_flight),
    ):
        print(f"{title:34}" + "".join(f"{getattr(figures, field) / count:12.1f}" for figures in results.values()))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finished", type=int, default=20_000, help="finished runs")
    parser.add_argument("--kib", type=int, default=5, help="size of each as JSON, in KiB")
    parser.add_argument("--in-flight", type=int, default=2_000, help="runs whose model does not answer")
    parser.add_argument("--deadline", type=float, default=180.0, help="seconds for all runs to be in flight")
    parser.add_argument("--servers", default="embedded")
    return parser


def main() -> None:
    options = arguments().parse_args()
    assert KUBECHAIN.exists(), "make setup comes first"
    results: dict[str, Figures] = {}
    with load_shown():
        for name in options.servers.split(","):
            print(f"{name}: …", file=sys.stderr, flush=True)
            with (
                mock_model(0.0) as base_url,
                tempfile.TemporaryDirectory() as folder,
                server(name, Path(folder)) as path,
            ):
                results[name] = asyncio.run(measure(path, Path(folder), base_url, options))
        show(results, options)


if __name__ == "__main__":
    main()
