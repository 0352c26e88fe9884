"""CPU times of the processes that a bench started, by their part: read from /proc, children of this process only."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

PARTS = {"etcd": "etcd", "kube-apiserver": "API server", "dev": "API server"}
"""What tells a process: its program, or for `kubechain dev` the command."""


def cpu_seconds() -> dict[str, float]:
    """CPU seconds so far of the API server, and of etcd where there is one."""
    used: dict[str, float] = {}
    for pid, words in _children():
        for word in words[:3]:
            if part := PARTS.get(word.rpartition("/")[2]):
                used[part] = used.get(part, 0.0) + cpu_seconds_of(pid)
                break
    return used


def per_run(before: dict[str, float], runs: int) -> dict[str, float]:
    """Milliseconds of CPU a run since then, by part."""
    return {part: (now - before.get(part, 0.0)) / runs * 1e3 for part, now in cpu_seconds().items()}


def cpu_seconds_of(pid: int) -> float:
    """CPU seconds of one process, all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children() -> Generator[tuple[int, list[str]]]:
    """Process id and command line of each child."""
    for listed in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, listed.read_text().split()):
            yield pid, Path(f"/proc/{pid}/cmdline").read_text().split("\0")
