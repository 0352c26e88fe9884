"""Reaps processes that servers left behind: without it, each would stay as a zombie while the manager runs.

A process whose parent has exited becomes a child of the manager: because the manager is the first process of its
container, or because it asks the kernel for that. Nobody else waits for such a child.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Collection
from pathlib import Path

from kubechain.mcp.warden import Warden

LOOK_SECONDS = 2.0
"""Between two looks. A zombie is reaped at the second look: whoever started a process waits for it at once."""

_PR_SET_CHILD_SUBREAPER = 36


async def reap_orphans(warden: Warden) -> None:
    """Adopt and reap orphans until cancelled, once there is a server; returns at once where there is no /proc."""
    if sys.platform != "linux":
        return
    await warden.has_started.wait()
    _adopt_orphans()
    before: set[int] = set()
    while True:
        zombies = zombies_of(os.getpid()) - set(warden.groups)  # of a server, its connection wants the exit code
        _reap(zombies & before)
        before = zombies
        await asyncio.sleep(LOOK_SECONDS)


def _reap(pids: Collection[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def zombies_of(parent: int) -> set[int]:
    """Return the children of a process that have exited and were not waited for."""
    found: set[int] = set()
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found |= {pid for pid in map(int, path.read_text().split()) if _is_zombie(pid)}
    return found


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _adopt_orphans() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
