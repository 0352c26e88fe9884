"""Starts operator processes and asks them; makes kopf's environment on first use. Part of the driver."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
KOPF = "kopf==1.45.2"
KOPF_HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubechain" / "bench" / KOPF
LINE_LIMIT = 64 * 1024 * 1024
"""Of a report: it has a line for each version seen."""


class Operator:
    """One operator process.

    As a context manager it is started on entry and killed on exit, however far it came.
    """

    def __init__(self, command: Sequence[str], kubeconfig: Path, log: Path) -> None:
        """Prepare to start `command`; its standard error is appended to `log`."""
        self._command = command
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT)}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, limit=LINE_LIMIT,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill it."""
        if self.process.returncode is None:
            self.signal(signal.SIGKILL)
        await self.process.wait()

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The started process."""
        assert self._process is not None, "it was not started"
        return self._process

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def told(self, event: str, timeout_seconds: float) -> dict[str, Any] | None:
        """Wait until it tells of an event; None when it does not in time.

        Raises:
            RuntimeError: it ended; its log is quoted.
        """
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(timeout_seconds):
                while line := await self.process.stdout.readline():
                    facts: dict[str, Any] = json.loads(line)
                    if facts["event"] == event:
                        return facts
        except TimeoutError:
            return None
        raise RuntimeError(f"the operator ended:\n{self._log.read_text()[-2000:]}")

    async def report(self) -> dict[str, Any]:
        """Ask for its figures; it starts new ones."""
        self._say("report")
        report = await self.told("report", 60)
        assert report is not None, "no report within a minute"
        return report

    def quiet(self) -> None:
        """End its stall measurement."""
        self._say("quiet")

    def _say(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())


def ours(kubeconfig: Path, objects: int, *more: str) -> list[str]:
    """The command of our operator."""
    return [
        sys.executable, "-m", "bench.runtime.ours", f"--kubeconfig={kubeconfig}", f"--objects={objects}", *more
    ]  # fmt: skip


def kopf(_kubeconfig: Path, objects: int, *more: str) -> list[str]:
    """The command of kopf's; it finds the kubeconfig in its environment."""
    return [str(KOPF_HOME / "bin" / "python"), "-m", "bench.runtime.theirs", f"--objects={objects}", *more]


def watcher(kubeconfig: Path, version: str) -> list[str]:
    """The command of the plain watch."""
    return [sys.executable, "-m", "bench.runtime.watcher", f"--kubeconfig={kubeconfig}", f"--version={version}"]


def install_kopf() -> None:
    """Make kopf's environment in the user's cache folder, once: it is no part of ours."""
    marker = KOPF_HOME / "installed"
    if marker.exists():
        return
    venv.create(KOPF_HOME, clear=True, with_pip=True)
    command = [str(KOPF_HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", KOPF, "uvloop"]
    subprocess.run([*command, "--disable-pip-version-check"], check=True)
    marker.touch()
