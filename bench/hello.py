"""A thousand runs without tools against a mock model: throughput, overhead, writes and the manager's own cost.

    python -m bench.hello --runs 1000 --at-once 200 --latency 0.5 --servers embedded,real

The driver keeps `--at-once` runs going: as one finishes it creates the next. A run's overhead is the time from sending
its creation to seeing its FinalAnswer on a watch, less the model's latency; both ends are measured here, in one
process, since the times in a status have whole seconds. Manager, API server, model and driver are processes of their
own and share the machine, so ratios between columns say more than single figures.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from kubechain.api.crd import custom_resource_definitions
from kubechain.runtime import kubeconfig
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import AlreadyExists
from kubechain.runtime.http import HttpExchange
from test.e2e.controlplane import RealControlPlane
from test.e2e.processes import KUBECHAIN, Program, free_port

API = "/apis/kubechain.humanlayer.dev/v1alpha1/namespaces/default"
MODEL = Path(__file__).with_name("mock_model.py")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server gave."""

    runs_per_second: float
    overhead_p50: float
    overhead_p99: float
    writes_per_run: float
    manager_cpu_ms_per_run: float
    manager_rss_mib: float
    start_seconds: float
    idle_rss_mib: float


@contextlib.contextmanager
def mock_model(latency_seconds: float) -> Iterator[str]:
    """The model server; yields its base URL."""
    command = [sys.executable, str(MODEL), "--port", "0", "--latency", str(latency_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["baseUrl"]
        finally:
            process.terminate()


@contextlib.contextmanager
def server(name: str, folder: Path) -> Iterator[Path]:
    """An API server; yields an administrator's kubeconfig."""
    if name == "real":
        with RealControlPlane(folder) as plane:
            yield Path(plane.kubeconfig)
        return
    path, port = folder / "kubeconfig", free_port()
    arguments = ["dev", "--no-manager", f"--kubeconfig={path}", f"--port={port}"]
    program = Program(arguments, folder / "plane.log", f"https://127.0.0.1:{port}/readyz")
    program.start()
    try:
        yield path
    finally:
        program.stop()


class ManagerProcess:
    """The manager under measurement."""

    def __init__(self, kubeconfig_path: Path, folder: Path, at_once: int) -> None:
        self._probe, self._metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        arguments = [
            "manager",
            f"--kubeconfig={kubeconfig_path}",
            f"--health-probe-bind-address={self._probe}",
            f"--metrics-bind-address={self._metrics}",
            f"--max-concurrent-runs={max(at_once * 2, 1000)}",
            "--log-format=json",
        ]
        self._program = Program(arguments, folder / "manager.log", f"http://{self._probe}/readyz")
        self.start_seconds = 0.0

    def __enter__(self) -> "ManagerProcess":
        self.start_seconds = self._program.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._program.stop()

    @property
    def cpu_seconds(self) -> float:
        fields = self._proc("stat").rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def rss_mib(self) -> float:
        found = re.search(r"VmRSS:\s+(\d+) kB", self._proc("status"))
        assert found is not None
        return int(found.group(1)) / 1024

    def status_writes(self) -> float:
        """Conditional status writes so far, as the manager's own metrics count them."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics") as reply:
            text = reply.read().decode()
        pattern = r'^rest_client_requests_total\{(?=[^}]*method="PUT")[^}]*\} (\S+)'
        return sum(float(value) for value in re.findall(pattern, text, re.MULTILINE))

    def _proc(self, name: str) -> str:
        assert self._program.popen is not None
        return Path(f"/proc/{self._program.popen.pid}/{name}").read_text()


class Driver:
    """Creates runs and watches them end."""

    def __init__(self, kubeconfig_path: Path) -> None:
        clock = SystemClock()
        self._exchange = HttpExchange(kubeconfig.load(clock=clock, path=str(kubeconfig_path)), user_agent="bench")
        self.client = Client(self._exchange, clock=clock)
        self._sent_at: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._ended: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> "Driver":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exchange.aclose()

    async def install(self) -> None:
        """Our kinds, served."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for definition in custom_resource_definitions():
            with contextlib.suppress(AlreadyExists):
                await self.client.request("POST", path, body=json.dumps(definition).encode())
        for definition in custom_resource_definitions():
            await self._established(f"{path}/{definition['metadata']['name']}")

    async def _established(self, path: str) -> None:
        for _ in range(200):
            conditions = json.loads(await self.client.request("GET", path)).get("status", {}).get("conditions", [])
            if any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(path)

    async def create(self, plural: str, kind: str, name: str, spec: dict[str, Any]) -> None:
        body = {"apiVersion": "kubechain.humanlayer.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}
        await self.client.request("POST", f"{API}/{plural}", body=json.dumps(body | {"spec": spec}).encode())

    async def agent(self, base_url: str, at_once: int) -> None:
        """The LLM and Agent that all runs share."""
        parameters = {"baseUrl": base_url, "model": "mock"}
        llm = {"provider": "openai", "parameters": parameters, "maxConcurrentRequests": at_once}
        await self.create("llms", "LLM", "mock", llm)
        await self.create("agents", "Agent", "hello", {"llmRef": {"name": "mock"}, "system": "You are helpful."})

    async def run_one(self, name: str) -> None:
        """Create one run and return when it has its answer."""
        self._ended[name] = asyncio.Event()
        self._sent_at[name] = time.perf_counter()
        await self.create("taskruns", "TaskRun", name, {"agentRef": {"name": "hello"}, "userMessage": "Hello?"})
        await self._ended[name].wait()

    async def watch(self) -> None:
        """Note when each run ends; until cancelled. A watch that the server ends goes on where it was."""
        version = "0"
        while True:
            async with self._exchange.stream(
                f"{API}/taskruns?watch=1&resourceVersion={version}",
                headers={"accept": "application/json"},
                connect_timeout_seconds=10,
                idle_timeout_seconds=600,
            ) as stream:
                if stream.status != 200:  # the kind was installed a moment ago
                    await asyncio.sleep(0.2)
                    continue
                async for line in stream.lines:
                    version = self._noted(line, version)

    def _noted(self, line: bytes, version: str) -> str:
        """Take one event; return where to go on after it."""
        seen_at = time.perf_counter()
        event = json.loads(line)
        metadata = event["object"].get("metadata", {})
        name = metadata.get("name", "")
        if b'"FinalAnswer"' in line and name not in self._took and name in self._sent_at:
            self._took[name] = seen_at - self._sent_at[name]
            self._ended[name].set()
        return "0" if event["type"] == "ERROR" else metadata.get("resourceVersion", version)

    def overheads(self, names: list[str], latency_seconds: float) -> list[float]:
        return [self._took[name] - latency_seconds for name in names]


async def drive(driver: Driver, names: list[str], at_once: int) -> float:
    """Keep `at_once` runs going; return the seconds that all of them took."""
    waiting = iter(names)

    async def worker() -> None:
        for name in waiting:
            await driver.run_one(name)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    return time.perf_counter() - began


async def measure(kubeconfig_path: Path, folder: Path, base_url: str, options: argparse.Namespace) -> Figures:
    """One server, from an idle manager to the last answer."""
    async with Driver(kubeconfig_path) as driver, asyncio.TaskGroup() as background:
        await driver.install()
        watching = background.create_task(driver.watch())
        try:
            return await measure_with(driver, kubeconfig_path, folder, base_url, options)
        finally:
            watching.cancel()


async def measure_with(
    driver: Driver, kubeconfig_path: Path, folder: Path, base_url: str, options: argparse.Namespace
) -> Figures:
    with ManagerProcess(kubeconfig_path, folder, options.at_once) as manager:
        idle_rss = manager.rss_mib
        await driver.agent(base_url, options.at_once)
        await drive(driver, [f"warm-up-{number}" for number in range(20)], 20)
        names = [f"run-{number}" for number in range(options.runs)]
        cpu_before, writes_before = manager.cpu_seconds, manager.status_writes()
        seconds = await drive(driver, names, options.at_once)
        overheads = driver.overheads(names, options.latency)
        return Figures(
            runs_per_second=options.runs / seconds,
            overhead_p50=median(overheads),
            overhead_p99=quantiles(overheads, n=100)[98],
            writes_per_run=(manager.status_writes() - writes_before) / options.runs,
            manager_cpu_ms_per_run=(manager.cpu_seconds - cpu_before) / options.runs * 1e3,
            manager_rss_mib=manager.rss_mib,
            start_seconds=manager.start_seconds,
            idle_rss_mib=idle_rss,
        )


ROWS = (
    ("runs per second", "runs_per_second", "{:.1f}"),
    ("overhead p50, ms", "overhead_p50", "{:.0f}"),
    ("overhead p99, ms", "overhead_p99", "{:.0f}"),
    ("status writes per run", "writes_per_run", "{:.2f}"),
    ("manager CPU per run, ms", "manager_cpu_ms_per_run", "{:.1f}"),
    ("manager RSS after, MiB", "manager_rss_mib", "{:.0f}"),
    ("manager start to ready, s", "start_seconds", "{:.2f}"),
    ("manager RSS idle, MiB", "idle_rss_mib", "{:.0f}"),
)


def show(results: dict[str, Figures], options: argparse.Namespace) -> None:
    """The table, with the ratio of the servers where both were measured."""
    ideal = options.at_once / options.latency
    print(f"{options.runs} runs, {options.at_once} at a time, model latency {options.latency} s")
    print(f"the model alone would allow {ideal:.0f} runs per second\n")
    print(f"{'':28}" + "".join(f"{name:>12}" for name in results) + ("       ratio" if len(results) == 2 else ""))
    for title, field, form in ROWS:
        values = [getattr(figures, field) * (1e3 if "overhead" in field else 1) for figures in results.values()]
        ratio = f"{values[0] / values[1]:12.2f}" if len(values) == 2 and values[1] else ""
        print(f"{title:28}" + "".join(f"{form.format(value):>12}" for value in values) + ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--latency", type=float, default=0.5, help="of the model, in seconds")
    parser.add_argument("--servers", default="embedded,real")
    options = parser.parse_args()
    assert KUBECHAIN.exists(), "make setup comes first"
    results: dict[str, Figures] = {}
    with mock_model(options.latency) as base_url:
        for name in options.servers.split(","):
            print(f"{name}: …", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory() as folder, server(name, Path(folder)) as kubeconfig_path:
                results[name] = asyncio.run(measure(kubeconfig_path, Path(folder), base_url, options))
    show(results, options)


if __name__ == "__main__":
    main()
