"""A process that outlives the manager for a moment: it kills the process groups that a killed manager leaves behind.

Started by `warden` as `python -I -S warden_process.py`, with a pipe as its input on which it is told `+<group>` and
`-<group>`. The end of that pipe is the end of the manager, whichever way it came. A script on its own: it must import
nothing of KubeChain.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main() -> None:
    """Listen until the manager is gone, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # they may be meant for everyone; the pipe decides
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
