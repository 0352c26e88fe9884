"""A soak: runs at a steady pace on an API server that fails, watching memory, tasks and sockets of both processes.

    python -m bench.soak --minutes 20 --runs-per-second 5

One request in a hundred fails (refused, lost before it was carried out, or carried out and its reply lost), and half of
the watches are cut within two minutes. Half of the runs call a tool. Finished runs are deleted after `--ttl` seconds,
and Events after a minute instead of an hour, so that whatever still grows is a leak. Every run must end well, and none
may be lost: the driver, whose own requests fail as well, follows them with an informer.

The first third is not judged: caches, pools and the API server's history of changes fill up. The rest is flat when a
line through it rises by less than 5 % of the mean, or by less than what its scatter explains.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from statistics import linear_regression, mean
from typing import Any

import uvloop
import yaml

from bench.driver import API
from bench.processes import mock_model
from bench.runtime.operators import Operator
from kubechain import logs
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers.resources import TASK_RUNS
from kubechain.runtime import kubeconfig
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import AlreadyExists, ApiError, TransportError
from kubechain.runtime.http import HttpExchange
from kubechain.runtime.informer import Informers
from kubechain.runtime.store import Change

TABLE_SECONDS = 30.0
END_SECONDS = 120.0
"""How long the last runs may take."""

GROWTH = 0.05
"""Of the mean, over the judged part: less is flat."""

STANDARD_ERRORS = 3.0
"""A slope smaller than so many of its standard errors is scatter."""

Sample = tuple[float, dict[str, float]]


def faults(percent: float) -> dict[str, Any]:
    """What the API server does to all its clients; kinds of failure in equal parts."""
    each = percent / 100 / 4
    requests = [
        {"error": 503, "probability": each},
        {"error": 429, "retryAfterSeconds": 1, "probability": each},
        {"loseRequest": True, "probability": each},
        {"loseReply": True, "probability": each},
    ]
    verbs = ["get", "list", "create", "update", "patch", "delete"]
    watches = [{"dropWatchAfterSeconds": [10, 120], "probability": 0.5}]
    return {"seed": 1, "rules": [*({"verbs": verbs, **rule} for rule in requests), *watches]}


@dataclass(slots=True)
class Process:
    """A process under test, and what it told."""

    name: str
    operator: Operator
    samples: list[Sample] = field(default_factory=list[Sample])

    async def follow(self) -> None:
        """Collect what it tells until cancelled."""
        while facts := await self.operator.told("gauges", 120):
            self.samples.append((facts["at"], facts["gauges"]))
        raise TimeoutError(f"{self.name} tells nothing any more")


@contextlib.asynccontextmanager
async def process(name: str, folder: Path, *more: str) -> AsyncGenerator[Process]:
    """A process under test, ready; asked to end at exit."""
    kubeconfig_path = folder / "kubeconfig"
    command = [sys.executable, "-m", "bench.soak_process", name, f"--kubeconfig={kubeconfig_path}", *more]
    async with Operator(command, kubeconfig_path, folder / f"{name}.log") as operator:
        assert await operator.told("ready", 60), f"{name} is not ready"
        yield Process(name, operator)
        operator.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(operator.process.wait(), 40)


class Driver:
    """Creates runs in spite of the faults, and follows them to their ends."""

    def __init__(self, kubeconfig_path: Path, ttl_seconds: int) -> None:
        """Prepare to create runs that are deleted `ttl_seconds` after their end."""
        clock = SystemClock()
        self._exchange = HttpExchange(kubeconfig.load(clock=clock, path=str(kubeconfig_path)), user_agent="soak")
        self._client = Client(self._exchange, clock=clock)
        self._informer = Informers(exchange=self._exchange, clock=clock).of(TASK_RUNS)
        self._informer.add_handler(self._on_change)
        self._ttl_seconds = ttl_seconds
        self.open: dict[str, float] = {}
        self.ended: Counter[str] = Counter()
        self.lost: list[str] = []
        self.took: list[float] = []
        self._all_ended = asyncio.Event()

    async def __aenter__(self) -> Driver:
        """Nothing to start."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._exchange.aclose()

    async def follow(self) -> None:
        """Follow the runs until cancelled."""
        await self._informer.run()

    async def agents(self, base_url: str) -> None:
        """One agent that answers, and one that calls a tool first."""
        for model in ("mock", "tools"):
            llm = {"provider": "openai", "parameters": {"baseUrl": base_url, "model": model}}
            await self._create("llms", "LLM", model, llm)
        builtin = {"toolType": "function", "execute": {"builtin": {"name": "add"}}}
        await self._create("tools", "Tool", "add", builtin)
        await self._create("agents", "Agent", "hello-0", {"llmRef": {"name": "mock"}, "system": "You are helpful."})
        calculating = {"llmRef": {"name": "tools"}, "system": "You calculate.", "tools": [{"name": "add"}]}
        await self._create("agents", "Agent", "hello-1", calculating)

    async def run_one(self, number: int) -> None:
        """Create one run."""
        name = f"run-{number}"
        spec = {
            "agentRef": {"name": f"hello-{number % 2}"},
            "userMessage": 'What is {"a": 2, "b": 3} together?',
            "ttlSecondsAfterFinished": self._ttl_seconds,
        }
        self.open[name] = time.monotonic()
        await self._create("taskruns", "TaskRun", name, spec)

    async def _create(self, plural: str, kind: str, name: str, spec: dict[str, Any]) -> None:
        """Create until it is there; a lost reply makes the next try find it."""
        body = {"apiVersion": "kubechain.humanlayer.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}
        while True:
            try:
                await self._client.request("POST", f"{API}/{plural}", body=json.dumps(body | {"spec": spec}).encode())
            except AlreadyExists:
                return
            except (ApiError, TransportError) as error:
                if isinstance(error, ApiError) and error.status < 429:
                    raise
                await asyncio.sleep(0.2)
            else:
                return

    async def wait_ended(self) -> None:
        """Return when no run is open, or when the last ones took too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                while self.open:
                    self._all_ended.clear()
                    await self._all_ended.wait()

    def _on_change(self, change: Change[TaskRun]) -> None:
        name, run = change.key.name, change.current()
        if name not in self.open:
            return
        if run is None:
            del self.open[name]
            self.lost.append(name)
        elif run.status.phase is not None and run.status.phase.is_terminal:
            self.took.append(time.monotonic() - self.open.pop(name))
            self.ended[run.status.phase] += 1
        if not self.open:
            self._all_ended.set()


async def drive(driver: Driver, *, seconds: float, per_second: float) -> int:
    """Create runs at a steady pace, then wait for the last ones; return how many there were."""
    began, count = time.monotonic(), int(seconds * per_second)
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
            group.create_task(driver.run_one(number))
    await driver.wait_ended()
    return count


async def table(processes: Sequence[Process], driver: Driver) -> None:
    """Print a line now and then until cancelled."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(TABLE_SECONDS)
        cells = "   ".join(
            f"{each.name}: " + " ".join(f"{title} {value:,.0f}," for title, value in each.samples[-1][1].items())
            for each in processes
            if each.samples
        )
        minutes = (time.monotonic() - began) / 60
        ended, waiting = driver.ended.total(), len(driver.open)
        print(f"{minutes:5.1f} min  {ended} ended, {waiting} open, {len(driver.lost)} lost   {cells}", flush=True)


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through samples: the mean, how much it rises over the whole time, and whether that is growth."""

    mean: float
    rise: float
    grows: bool


def trend(points: Sequence[tuple[float, float]]) -> Trend:
    """Fit a line; more than two points are needed."""
    times, values = [at for at, _ in points], [value for _, value in points]
    slope, intercept = linear_regression(times, values)
    middle = mean(times)
    residuals = sum((value - intercept - slope * at) ** 2 for at, value in points)
    error = sqrt(residuals / (len(points) - 2) / sum((at - middle) ** 2 for at in times))
    rise = slope * (times[-1] - times[0])
    return Trend(mean(values), rise, rise > GROWTH * mean(values) and slope > STANDARD_ERRORS * error)


def judge(processes: Sequence[Process]) -> bool:
    """Print the trend of each gauge after the first third; return whether all are flat."""
    flat = True
    print(f"\n{'':32}{'mean':>10}{'rise':>10}{'an hour':>10}")
    for each in processes:
        first, last = each.samples[0][0], each.samples[-1][0]
        judged = [sample for sample in each.samples if sample[0] > first + (last - first) / 3]
        for title in ("RSS, MiB", "tasks", "sockets and files"):
            found = trend([(at, gauges[title]) for at, gauges in judged])
            hourly = found.rise / (judged[-1][0] - judged[0][0]) * 3600
            word = "GROWS" if found.grows else "flat"
            print(f"{f'{each.name}: {title}':32}{found.mean:>10.1f}{found.rise:>10.2f}{hourly:>10.1f}  {word}")
            flat = flat and not found.grows
    return flat


async def soak(options: argparse.Namespace, folder: Path) -> bool:
    """Run it; return whether all is well."""
    (folder / "faults.yaml").write_text(yaml.safe_dump(faults(options.fault_percent)))
    async with contextlib.AsyncExitStack() as stack:
        base_url = stack.enter_context(mock_model(options.latency))
        plane = await stack.enter_async_context(process("plane", folder, f"--faults={folder / 'faults.yaml'}"))
        manager = await stack.enter_async_context(process("manager", folder))
        driver = await stack.enter_async_context(Driver(folder / "kubeconfig", options.ttl))
        processes = (plane, manager)
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(each.follow()) for each in (*processes, driver)]
            beside.append(group.create_task(table(processes, driver)))
            await driver.agents(base_url)
            count = await drive(driver, seconds=options.minutes * 60, per_second=options.runs_per_second)
            for task in beside:
                task.cancel()
        return verdict(driver, count, processes)


def verdict(driver: Driver, count: int, processes: Sequence[Process]) -> bool:
    """Print what became of the runs and of the processes."""
    took = sorted(driver.took)
    ended = ", ".join(f"{number} {phase}" for phase, number in driver.ended.most_common())
    suffered = processes[0].samples[-1][1]["faults"]
    print(f"\n{count} runs: {ended}; {len(driver.open)} did not end, {len(driver.lost)} lost; {suffered:,.0f} faults")
    print(f"a run took {took[len(took) // 2]:.2f} s at the median, {took[-1]:.1f} s at most")
    for each in processes:
        print(f"{each.name}: {each.samples[-1][1]['CPU, s'] / count * 1e3:.1f} ms CPU a run")
    return judge(processes) and driver.ended == {TaskRunPhase.FINAL_ANSWER: count}


def main() -> int:
    """Parse the command line, run, and say whether all is well."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--runs-per-second", type=float, default=5)
    parser.add_argument("--fault-percent", type=float, default=1, help="requests in a hundred that fail")
    parser.add_argument("--latency", type=float, default=0.5, help="of the model, in seconds")
    parser.add_argument("--ttl", type=int, default=20, help="seconds until a finished run is deleted")
    options = parser.parse_args()
    logs.configure(level="error", format="console")
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        well = uvloop.run(soak(options, Path(folder)))
    print(f"{'all is well' if well else 'NOT well'}; load {os.getloadavg()[0]:.1f} at the end")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
