"""A script that kills the process groups of the MCP servers after the manager has died.

Command line: `python -I -S warden_process.py`. The script reads lines from stdin: `+<group>` adds a process group and
`-<group>` removes it. EOF means that the manager has exited, for any reason. The script must not import other modules
of KubeChain.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main() -> None:
    """Read process groups until EOF, then kill those that remain."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # only EOF ends this process
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        group = int(line[1:])
        groups.add(group) if line.startswith(b"+") else groups.discard(group)
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
