"""Tells the warden process which process groups live, so that none of them outlives the manager.

The kernel kills a child with its parent when asked to (see `launcher`), but not the child's own
children; a manager that is killed cannot do it either. One small process for all children can.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import IO

_SCRIPT = Path(__file__).with_name("warden_process.py")


class Warden:
    """The manager's end of the pipe. Synchronous: a line is written before the next thing happens."""

    def __init__(self) -> None:
        """Start nothing yet: most managers have no children."""
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()

    def watch(self, group: int) -> None:
        """From now on this process group dies with the manager."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group is gone; its number may soon be another's."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    @property
    def group_count(self) -> int:
        """How many groups live."""
        return len(self._groups)

    def close(self) -> None:
        """End the warden; it kills what is still watched."""
        if self._process is None:
            return
        process, self._process = self._process, None
        _pipe(process).close()
        process.wait()  # it has nothing to do but end

    def _tell(self, line: str) -> None:
        try:
            _pipe(self._started()).write(line.encode())
        except BrokenPipeError:  # somebody killed it: the next one is told everything
            self._drop()
            _pipe(self._started()).write("".join(f"+{group}\n" for group in self._groups).encode())

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603  our own script
                [sys.executable, "-I", "-S", str(_SCRIPT)],
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
