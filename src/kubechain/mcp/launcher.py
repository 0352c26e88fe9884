"""The first thing that runs in a child process: ties its life to the manager's, then becomes the server.

Started by `process` as `python -I -S launcher.py <pid of the manager> <program> <argv[0]> <argv[1]> …`. A script on its
own: it must import nothing of KubeChain, and start fast.

A process that is forked and told so in the fork itself would be simpler, but running Python between fork and exec is
not safe in a process with threads.
"""

import contextlib
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
LIKELY_OOM_VICTIM = "500"
"""Of 1000: when memory runs out, a server goes before the manager does."""

CANNOT_RUN = 126


def tie_to(parent: int) -> None:
    """Die with the manager; gain no rights through setuid programs; be the first to go when memory is short."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(0)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(LIKELY_OOM_VICTIM)


def main(parent: int, program: str, argv: list[str]) -> None:
    """Become the server."""
    if sys.platform == "linux":
        tie_to(parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump of a server's memory holds its secrets
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec hands that on
    try:
        os.execv(program, argv)  # noqa: S606  that no shell is involved is the point
    except OSError as error:
        sys.stderr.write(f"{os.path.basename(program)}: {error.strerror}\n")
        os._exit(CANNOT_RUN)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
