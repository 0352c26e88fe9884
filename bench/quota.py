"""A limit on the CPU of one process, as `resources.limits.cpu` sets for a container: cgroups of version 1, as root.

Where all parts of a bench share few cores, a manager with a small limit is what runs wait for, and not the machine.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

HIERARCHY = Path("/sys/fs/cgroup/cpu")

PERIOD_MICROSECONDS = 100_000
"""The default of the kernel and of the kubelet."""


def own_group() -> Path:
    """The cgroup of this process, below which limits are set.

    Raises:
        SystemExit: The system cannot set them, or this user may not.
    """
    lines = Path("/proc/self/cgroup").read_text().splitlines() if HIERARCHY.is_dir() else []
    paths = [path for _, names, path in (line.split(":", 2) for line in lines) if "cpu" in names.split(",")]
    if not paths:
        raise SystemExit(f"a CPU limit needs cgroups of version 1, and there are none at {HIERARCHY}")
    group = HIERARCHY / paths[0].strip("/")
    if not os.access(group, os.W_OK):
        raise SystemExit(f"a CPU limit needs the right to make a cgroup in {group}")
    return group


@contextlib.contextmanager
def limited(pid: int, cores: float) -> Generator[None]:
    """Limit a process to so many cores; it has all of them again afterwards."""
    own = own_group()
    group = own / f"kubechain-bench-{pid}"
    group.mkdir()
    try:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_MICROSECONDS))
        (group / "cpu.cfs_quota_us").write_text(str(int(cores * PERIOD_MICROSECONDS)))
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            (own / "cgroup.procs").write_text(str(pid))
        group.rmdir()
