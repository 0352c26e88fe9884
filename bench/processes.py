"""The processes under measurement: an API server, the manager, a mock model. Started and ended by the benches."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from bench import usage
from test.e2e.controlplane import RealControlPlane
from test.e2e.processes import Program, free_port

MODEL = Path(__file__).with_name("mock_model.py")


def mock_model(latency_seconds: float) -> AbstractContextManager[str]:
    """The model server; yields its base URL."""
    return served([sys.executable, str(MODEL), "--port", "0", "--latency", str(latency_seconds)], "baseUrl")


@contextlib.contextmanager
def served(command: Sequence[str], name: str) -> Generator[str]:
    """Run a server that first prints where it is, as a line of JSON; yields what it said under a name."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())[name]
        finally:
            process.terminate()


def plain_client(kubeconfig_path: Path, plan: Path, options: argparse.Namespace) -> dict[str, float]:
    """The client of `bench.limit`, as a process of its own; what it measured."""
    command = [sys.executable, "-m", "bench.limit", f"--kubeconfig={kubeconfig_path}", f"--plan={plan}"]
    command += [f"--runs={options.runs}", f"--at-once={options.at_once}", f"--latency={options.latency}"]
    command.append(f"--watches={options.watches}")
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


@contextlib.contextmanager
def server(name: str, folder: Path) -> Generator[Path]:
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

    def __init__(self, kubeconfig_path: Path, folder: Path, at_once: int, *flags: str) -> None:
        self._probe, self._metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        arguments = [
            "manager",
            f"--kubeconfig={kubeconfig_path}",
            f"--health-probe-bind-address={self._probe}",
            f"--metrics-bind-address={self._metrics}",
            f"--max-concurrent-runs={max(at_once * 2, 1000)}",
            "--log-format=json",
            *flags,
        ]
        self._program = Program(arguments, folder / "manager.log", f"http://{self._probe}/readyz")
        self.start_seconds = 0.0

    def __enter__(self) -> ManagerProcess:
        self.start_seconds = self._program.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._program.popen is not None:
            self._program.stop()

    def kill(self) -> None:
        """SIGKILL: it writes nothing any more."""
        self._program.kill()

    @property
    def pid(self) -> int:
        assert self._program.popen is not None
        return self._program.popen.pid

    @property
    def cpu_seconds(self) -> float:
        return usage.cpu_seconds_of(self.pid)

    @property
    def rss_mib(self) -> float:
        found = re.search(r"VmRSS:\s+(\d+) kB", self._proc("status"))
        assert found is not None
        return int(found.group(1)) / 1024

    def status_writes(self) -> float:
        """Conditional status writes so far, as the manager's own metrics count them."""
        return self.requests("PUT")

    def requests(self, verb: str) -> float:
        """Requests to the API server so far with that HTTP verb, opened watches among the GETs."""
        return self._metric(rf'rest_client_requests_total\{{(?=[^}}]*method="{verb}")[^}}]*\}}')

    def conflicts(self) -> float:
        """Writes so far that the API server refused with a 409: somebody else had written the object."""
        return self._metric(r'rest_client_requests_total\{(?=[^}]*code="409")[^}]*\}')

    def runs_ended(self) -> float:
        """Runs so far whose end this process has written."""
        return self._metric(r"kubechain_runs_ended_total\{[^}]*\}")

    def events(self, outcome: str) -> float:
        """Events so far that were `written` or `dropped`."""
        return self._metric(rf'kubechain_events_total\{{outcome="{outcome}"\}}')

    def refused(self) -> float:
        """What the inbound port has refused so far."""
        return self._metric(r"kubechain_inbound_refused_total\{[^}]*\}")

    def events_waiting(self) -> float:
        """Events that are not written yet."""
        return self._metric("kubechain_events_waiting")

    async def events_written(self) -> None:
        """Return when every Event is written."""
        while self.events_waiting():  # noqa: ASYNC110  (a metric of another process)
            await asyncio.sleep(0.05)

    def _metric(self, pattern: str) -> float:
        """The sum of the samples whose name and labels match."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics") as reply:
            text = reply.read().decode()
        return sum(float(value) for value in re.findall(rf"^{pattern} (\S+)", text, re.MULTILINE))

    def _proc(self, name: str) -> str:
        return Path(f"/proc/{self.pid}/{name}").read_text()
