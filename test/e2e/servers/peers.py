"""Starts `peer.py` for a test, reads its ledger, and finds the processes that it runs in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

SCRIPT = Path(__file__).with_name("peer.py")
QUICK = Path(__file__).with_name("quick.py")


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the peers that write into one file did."""

    path: Path

    def lines(self) -> list[dict[str, Any]]:
        """All entries, oldest first."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def times(self, what: str, text: str) -> int:
        """How often that happened."""
        return sum((line["what"], line["text"]) == (what, text) for line in self.lines())

    def living(self) -> set[int]:
        """Processes that wrote into the ledger and still run."""
        return {line["pid"] for line in self.lines() if is_running(line["pid"])}


def is_running(pid: int) -> bool:
    """Whether that process is one of ours, and no zombie."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return False
    return state != "Z" and os.fsencode(SCRIPT.parent) in command


def over_stdio(ledger: Ledger | None = None, **spec: Any) -> dict[str, Any]:
    """The spec of an MCPServer that is a child of the manager."""
    arguments = [str(SCRIPT), "stdio", *([str(ledger.path)] if ledger else [])]
    return {"type": "stdio", "command": sys.executable, "args": arguments, **spec}


def quick(ledger: Ledger, **spec: Any) -> dict[str, Any]:
    """The spec of an MCPServer that is a child of the manager and starts in milliseconds."""
    return {"type": "stdio", "command": sys.executable, "args": [str(QUICK), str(ledger.path)], **spec}


@contextmanager
def over_http(transport: Literal["http", "sse"], ledger: Ledger | None = None, port: int = 0) -> Generator[str]:
    """A server on loopback; yields the URL for `spec.url`."""
    command = [sys.executable, str(SCRIPT), transport, str(ledger.path if ledger else os.devnull), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield f"http://127.0.0.1:{port}/{'sse' if transport == 'sse' else 'mcp'}"
        finally:
            process.kill()


def kill(pid: int) -> None:
    """End one of our peers, as the kernel does when memory runs out."""
    assert is_running(pid)
    os.kill(pid, signal.SIGKILL)
