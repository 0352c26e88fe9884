"""The first thing that runs in a child process: ties its life to the manager's, hides secrets, becomes the server.

Started by `process` as `python -I -S launcher.py <pid of the manager> <hidden paths> <program> <argv[0]> <argv[1]> …`.
A script on its own: it must import nothing of KubeChain, and start fast.

A process that is forked and told so in the fork itself would be simpler, but running Python between fork and exec is
not safe in a process with threads.
"""

from __future__ import annotations

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

SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_ADD_RULE = 445
SYS_LANDLOCK_RESTRICT_SELF = 446
"""The same numbers on every architecture."""

LANDLOCK_READ_FILE = 1 << 2
LANDLOCK_RULE_PATH_BENEATH = 1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


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


def hide(paths: list[str]) -> None:
    """Give up the right to read these folders, and to look into processes outside (Landlock, Linux 5.13 and newer).

    A server runs as the manager's user, so file modes alone would let it read the manager's service account token.
    Landlock knows no exceptions inside what it allows: everything beside the way to a hidden folder is allowed. A
    kernel without it leaves things as they are.
    """
    import ctypes

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    handled = ctypes.c_uint64(LANDLOCK_READ_FILE)
    ruleset = syscall(SYS_LANDLOCK_CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    if ruleset < 0:
        return
    hidden = {os.path.realpath(path) for path in paths if os.path.exists(path)}
    for path in allowed_beside(hidden):
        allow(syscall, ruleset, path)
    syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def allowed_beside(hidden: set[str]) -> list[str]:
    """Return the highest paths that together hold everything but the hidden ones."""
    if not hidden:
        return ["/"]
    ways = {parent for path in hidden for parent in parents_of(path)}
    allowed: list[str] = []
    for way in ways:
        with contextlib.suppress(OSError), os.scandir(way) as entries:
            # A link leads to a path that is judged by itself.
            beside = [entry.path for entry in entries if not entry.is_symlink()]
            allowed += [path for path in beside if path not in ways and path not in hidden]
    return allowed


def parents_of(path: str) -> list[str]:
    """Return every folder above a path."""
    parents: list[str] = []
    while path != "/":
        path = os.path.dirname(path)
        parents.append(path)
    return parents


def allow(syscall: Callable[..., int], ruleset: int, path: str) -> None:
    """Let files below a path be read."""
    import ctypes
    import struct

    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    rule = ctypes.create_string_buffer(struct.pack("=Qi", LANDLOCK_READ_FILE, folder))
    syscall(SYS_LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0)
    os.close(folder)


def main(parent: int, hidden: str, program: str, argv: list[str]) -> None:
    """Become the server."""
    if sys.platform == "linux":
        tie_to(parent)
        hide([path for path in hidden.split(os.pathsep) if path])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump of a server's memory holds its secrets
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec hands that on
    try:
        os.execv(program, argv)  # noqa: S606  that no shell is involved is the point
    except OSError as error:
        sys.stderr.write(f"{os.path.basename(program)}: {error.strerror}\n")
        os._exit(CANNOT_RUN)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
