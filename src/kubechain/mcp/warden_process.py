"""A script that kills the MCP servers and their descendants after the manager has died.

Command line: `python -I -S warden_process.py <mark>`. The script reads lines from stdin: `+<group>` adds a process
group and `-<group>` removes it. EOF means that the manager has exited, for any reason. The script must not import other
modules of KubeChain; `process` imports `end_marked` from here.

A descendant may leave the process group of its server. It then still has the variable `MARK` in its environment, which
the manager set for the server.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

MARK = "KUBECHAIN_MCP_SERVER"
"""Environment variable of a server: the manager's own mark, `/`, the number of the server, `/`."""

PASSES = 10
"""How many times to look for more: a process may start another one while it is being killed."""


def main(mark: str) -> None:
    """Read process groups until EOF, then kill those that remain, and what left them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # only EOF ends this process
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        group = int(line[1:])
        groups.add(group) if line.startswith(b"+") else groups.discard(group)
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    end_marked(f"{mark}/")


def end_marked(mark: str) -> None:
    """Kill all processes whose mark begins with this; does nothing where there is no /proc."""
    for _ in range(PASSES):
        found = [pid for pid in _pids() if _is_marked(pid, mark)]
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    except OSError:
        return []


def _is_marked(pid: int, mark: str) -> bool:
    """Whether a process has the mark; False where it is another user's, or has exited."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return False
    return any(variable.startswith(f"{MARK}={mark}".encode()) for variable in variables)


if __name__ == "__main__":
    main(sys.argv[1])
