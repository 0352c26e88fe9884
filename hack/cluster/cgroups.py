"""The cgroups of a node: one below our own in each hierarchy of version 1, so that our limits stay in force."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
NEEDED = frozenset({"cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"})

EMPTY_SECONDS = 20.0
"""How long a killed process may take to leave its cgroup."""


def hierarchies() -> dict[str, Path]:
    """Return our cgroup in each mounted hierarchy, by the folder that the hierarchy is mounted at."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        name = controllers.removeprefix("name=") or "unified"
        if (ROOT / name).is_dir():
            found[name] = ROOT / name / path.strip("/")
    return found


def why_not() -> str:
    """Say why no cgroups can be made; empty where they can."""
    missing = NEEDED - {part for name in hierarchies() for part in name.split(",")}
    if missing:
        return f"cgroup hierarchies of version 1 are not mounted: {', '.join(sorted(missing))}"
    unwritable = [str(path) for path in hierarchies().values() if not os.access(path, os.W_OK)]
    return f"no right to make a cgroup in {unwritable[0]}" if unwritable else ""


def planned(name: str) -> list[Path]:
    """Return the cgroups that a node of that name gets."""
    return [own / name for own in hierarchies().values()]


def create(groups: Sequence[Path]) -> None:
    """Make them; those of cpuset get what their parent has, without which nothing may enter."""
    for group in groups:
        group.mkdir()
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (group / file).exists():
                (group / file).write_text((group.parent / file).read_text())


def record(file: Path, groups: Sequence[Path]) -> None:
    """Write them down, so that somebody else can remove them."""
    file.write_text("".join(f"{group}\n" for group in groups))


def recorded(file: Path) -> list[Path]:
    """Return what was written down; nothing without a file."""
    return [Path(line) for line in file.read_text().splitlines()] if file.exists() else []


def sweep(groups: Sequence[Path]) -> list[Path]:
    """Kill what is in them, remove them, and return those that could not be removed."""
    deadline = time.monotonic() + EMPTY_SECONDS
    for group in groups:
        while group.is_dir() and not _removed(group) and time.monotonic() < deadline:
            time.sleep(0.1)
    return [group for group in groups if group.is_dir()]


def _removed(group: Path) -> bool:
    for folder, _, _ in os.walk(group, topdown=False):
        for pid in Path(folder, "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), 9)
        with contextlib.suppress(OSError):  # not empty yet
            Path(folder).rmdir()
    return not group.is_dir()
