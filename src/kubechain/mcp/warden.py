"""Reports running process groups to the warden process, which kills the servers when the manager dies.

`launcher` makes the kernel kill a child when the manager dies, but this does not cover the descendants of the child. A
manager that receives SIGKILL cannot kill them either. One small warden process does this for all children.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import sys
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import IO

_SCRIPT = Path(__file__).with_name("warden_process.py")


class Warden:
    """Writes to the pipe of the warden process. Synchronous: each method returns after its line was written."""

    def __init__(self) -> None:
        """Start no process yet: most managers have no children. `has_started` is set once there was a child."""
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()
        self.has_started = asyncio.Event()
        self._mark = uuid.uuid4().hex
        self._numbers = itertools.count(1)

    def next_mark(self) -> str:
        """Return a mark for the environment of one more server; see `warden_process.MARK`."""
        return f"{self._mark}/{next(self._numbers)}/"

    @property
    def groups(self) -> Collection[int]:
        """The watched process groups; each has the id of its first process."""
        return self._groups

    def watch(self, group: int) -> None:
        """Kill this process group when the manager dies."""
        self._groups.add(group)
        self.has_started.set()
        self._send(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Stop watching a process group that has ended; its id may be reused."""
        self._groups.discard(group)
        self._send(f"-{group}\n")

    @property
    def group_count(self) -> int:
        """Number of watched process groups."""
        return len(self._groups)

    def close(self) -> None:
        """Stop the warden process; it kills the groups that are still watched."""
        if self._process is None:
            return
        process, self._process = self._process, None
        _pipe(process).close()
        process.wait()  # the process exits at EOF

    def _send(self, line: str) -> None:
        try:
            _pipe(self._started()).write(line.encode())
        except BrokenPipeError:  # the process was killed; start a new one and send it all groups
            self._drop()
            _pipe(self._started()).write("".join(f"+{group}\n" for group in self._groups).encode())

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603  a script of this package
                [sys.executable, "-I", "-S", str(_SCRIPT), self._mark],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                start_new_session=True,
            )
        return self._process

    def _drop(self) -> None:
        if self._process is not None:
            with contextlib.suppress(OSError):
                _pipe(self._process).close()
            self._process.wait()
            self._process = None


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdin is None:
        raise RuntimeError("the warden was started without a pipe")
    return process.stdin
