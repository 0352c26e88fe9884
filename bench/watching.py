"""What it costs to look on: the CPU of `kubechain watch`, `get --watch`, `top --watch` and `ui` in a busy namespace.

    python -m bench.watching
    python -m bench.watching --seconds 20 --only watch,top

The namespace has `--runs` open runs, each with a conversation of `--turns` turns; a plain client writes the status of
`--changes` of them each second, and that of the run which `watch` shows each second. No manager runs, so that nothing
else changes. Each command has a terminal of its own, a pseudo terminal of 120 columns, or a pipe, and somebody reads
all that it writes; the page of `ui` is open on the list of runs. Measured are the CPU time of the command's process,
after it has begun, and what it wrote. The target of each is 3 % of a core.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import itertools
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import IO, Any

from bench import usage
from bench.driver import API, Driver
from bench.processes import server
from bench.report import load_shown, show_table
from test.e2e.processes import KUBECHAIN

TARGET = 0.03
"""Of a core, as the design wants it of `kubechain watch`."""

BEGIN_SECONDS, BEGUN_SECONDS = 60.0, 3.0
"""Limit for the first output of a command, and from there until it is measured: imports and the first list do not
count."""

ROWS, COLUMNS = 40, 120

COMMANDS = {
    "watch": ("watch", "run-0"),
    "watch-pipe": ("watch", "run-0"),
    "get": ("get", "--watch"),
    "get-pipe": ("get", "--watch"),
    "top": ("top", "--watch"),
    "ui": ("ui", "--no-browser"),
}

ROWS_SHOWN = (
    ("CPU, share of a core", "share", "{:.1%}"),
    ("target", "target", "{:.0%}"),
    ("written, bytes a second", "bytes_a_second", "{:,.0f}"),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one command took."""

    share: float
    bytes_a_second: float
    target: float = TARGET


class Reader:
    """Reads all that a command writes, and counts it."""

    def __init__(self, descriptor: int) -> None:
        self.count = 0
        self.text = b""
        self._descriptor = descriptor
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._descriptor, 65_536)
            except OSError:  # of a terminal whose program has ended
                return
            if not chunk:
                return
            self.count += len(chunk)
            self.text = (self.text + chunk)[-10_000:]


class Command:
    """A command that looks on, with somebody who reads."""

    def __init__(self, name: str, kubeconfig: Path) -> None:
        arguments = [KUBECHAIN, *COMMANDS[name], f"--kubeconfig={kubeconfig}"]
        parent, child = pty.openpty() if not name.endswith("-pipe") else os.pipe()
        if not name.endswith("-pipe"):
            fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=child, stderr=child, env=environment, start_new_session=True
        )
        os.close(child)
        self.reader = Reader(parent)
        self._page: Reader | None = None
        self._stream: IO[bytes] | None = None

    def wait_until_begun(self) -> None:
        """Return when it has written something."""
        deadline = time.monotonic() + BEGIN_SECONDS
        while not self.written:
            assert time.monotonic() < deadline, "it writes nothing"
            time.sleep(0.1)

    def open_page(self) -> None:
        """Open the page whose address `ui` prints, and read its stream of changes."""
        deadline = time.monotonic() + BEGIN_SECONDS
        while (found := re.search(rb"http://127\.0\.0\.1:\d+/\S*", self.reader.text)) is None:
            assert time.monotonic() < deadline, self.reader.text
            time.sleep(0.1)
        address = found.group().decode()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        page = opener.open(address).read().decode()
        stream = re.search(r'data-events="([^"]+)"', page)
        assert stream is not None, page[:2_000]
        root = re.sub(r"(http://[^/]+)/.*", r"\1", address)
        self._stream = answer = opener.open(root + stream.group(1))
        self._page = Reader(answer.fileno())

    @property
    def cpu_seconds(self) -> float:
        assert self._process.poll() is None, self.reader.text.decode(errors="replace")
        return usage.cpu_seconds_of(self._process.pid)

    @property
    def written(self) -> int:
        return (self._page or self.reader).count

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


def a_status(number: int, turns: int, change: int) -> dict[str, Any]:
    """The status of an open run after a number of changes."""
    text = "Some words of a conversation that goes on and on. " * 8
    said = [{"role": role, "content": text} for _ in range(turns) for role in ("assistant", "user")]
    tokens = 1_000 * turns + change
    return {
        "phase": "SendContextWindowToLLM" if change % 2 else "ReadyForLLM",
        "status": "Ready",
        "ready": True,
        "statusDetail": f"Sending context window to LLM ({change})",
        "turn": turns + change // 2,
        "startTime": "2026-11-29T12:00:00Z",
        "pinned": {"agentName": f"agent-{number % 7}", "llmName": "gpt-4o"},
        "contextWindow": [{"role": "user", "content": "Begin."}, *said],
        "usage": {"inputTokens": tokens, "outputTokens": 100, "totalTokens": tokens + 100, "modelCalls": turns},
    }


class Writer:
    """A plain client that keeps the namespace busy."""

    def __init__(self, driver: Driver, options: argparse.Namespace) -> None:
        self._driver, self._options = driver, options
        self._objects: list[dict[str, Any]] = []

    async def prepare(self) -> None:
        for number in range(self._options.runs):
            body = {
                "apiVersion": "kubechain.humanlayer.dev/v1alpha1",
                "kind": "TaskRun",
                "metadata": {"name": f"run-{number}"},
                "spec": {"agentRef": {"name": f"agent-{number % 7}"}, "userMessage": "Begin."},
            }
            reply = await self._driver.client.request("POST", f"{API}/taskruns", body=json.dumps(body).encode())
            self._objects.append(json.loads(reply))
            await self._write(number, 0)

    async def run(self) -> None:
        """Write until cancelled: every second some runs in turn, and the first one."""
        others = itertools.cycle(range(1, self._options.runs))
        for change in itertools.count(1):
            until = asyncio.get_running_loop().time() + 1
            await self._write(0, change)
            for _ in range(self._options.changes - 1):
                await self._write(next(others), change)
                await asyncio.sleep(0.5 / self._options.changes)
            await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))

    async def _write(self, number: int, change: int) -> None:
        obj = self._objects[number]
        body = json.dumps({**obj, "status": a_status(number, self._options.turns, change)}).encode()
        reply = await self._driver.client.request("PUT", f"{API}/taskruns/run-{number}/status", body=body)
        obj["metadata"] = json.loads(reply)["metadata"]


async def measured(name: str, kubeconfig: Path, seconds: float) -> Figures:
    """Let one command look on for a while."""
    command = Command(name, kubeconfig)
    try:
        if name == "ui":
            await asyncio.to_thread(command.open_page)
        await asyncio.to_thread(command.wait_until_begun)
        await asyncio.sleep(BEGUN_SECONDS)
        cpu, written = command.cpu_seconds, command.written
        began = time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        return Figures((command.cpu_seconds - cpu) / took, (command.written - written) / took)
    finally:
        command.end()


async def run(options: argparse.Namespace, folder: Path) -> dict[str, Figures]:
    with server("embedded", folder) as kubeconfig:
        async with Driver(kubeconfig) as driver:
            await driver.install()
            writer = Writer(driver, options)
            await writer.prepare()
            busy = asyncio.create_task(writer.run())
            try:
                return {name: await measured(name, kubeconfig, options.seconds) for name in options.only}
            finally:
                busy.cancel()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--changes", type=int, default=20, help="of runs, each second")
    parser.add_argument("--turns", type=int, default=6, help="of each conversation")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(COMMANDS), metavar="A,B")
    options = parser.parse_args(arguments)
    with load_shown(), tempfile.TemporaryDirectory(prefix="kubechain-bench-") as folder:
        results = asyncio.run(run(options, Path(folder)))
        show_table(results, ROWS_SHOWN, title_width=26, column_width=12)
    return 0 if all(each.share <= TARGET for each in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
