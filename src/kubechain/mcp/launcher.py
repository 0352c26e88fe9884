"""A script that runs first in a child process: limits the process, then executes the server in its place.

It makes the kernel kill the process when the manager dies, and hides directories with secrets. Command line:
`python -I -S launcher.py <pid of the manager> <hidden paths> <program> <argv[0]> <argv[1]> …`. The script must not
import other modules of KubeChain, and must start fast.

A `preexec_fn` would be simpler, but running Python code between fork and exec is not safe in a process with threads.
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
"""Value of `oom_score_adj`, up to 1000: when memory runs out, the kernel kills a server before the manager."""

CANNOT_RUN = 126

SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_ADD_RULE = 445
SYS_LANDLOCK_RESTRICT_SELF = 446
"""The same numbers on every architecture."""

LANDLOCK_READ_FILE = 1 << 2
LANDLOCK_REFER = 1 << 13
LANDLOCK_RULE_PATH_BENEATH = 1
LANDLOCK_QUERY_VERSION = 1
LANDLOCK_VERSION_WITH_REFER = 2
"""Linux 5.19. An older kernel cannot allow rename and link across directories in a process that Landlock limits."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def tie_to(parent: int) -> None:
    """Make the kernel kill this process with its parent, ignore setuid bits, and prefer it as an OOM victim."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before PR_SET_PDEATHSIG was set
        os._exit(0)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(LIKELY_OOM_VICTIM)


def hide(paths: list[str]) -> None:
    """Deny this process read access to directories and tracing of outside processes (Landlock, Linux 5.13 and newer).

    A server runs as the same user as the manager, so file modes do not prevent it from reading the service account
    token of the manager. Landlock rules only allow access and cannot exclude a subdirectory. The rules therefore allow
    the siblings of the hidden directories and the siblings of their parents.

    Landlock denies rename and link across directories (EXDEV) unless the rules handle and allow them. They are allowed
    everywhere: package managers such as uv move files from one directory to another. A hidden file still cannot be
    moved or linked to where it could be read, because Landlock refuses each move after which more would be allowed.

    A kernel without Landlock hides nothing. One that cannot allow moves (before Linux 5.19) forbids them where there is
    something to hide, as in a pod; elsewhere this process stays as it is.
    """
    import ctypes

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    version = syscall(SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_QUERY_VERSION)
    hidden = {os.path.realpath(path) for path in paths if os.path.exists(path)}
    can_move = version >= LANDLOCK_VERSION_WITH_REFER
    if version < 1 or not (can_move or hidden):
        return
    handled = ctypes.c_uint64(LANDLOCK_READ_FILE | (LANDLOCK_REFER if can_move else 0))
    ruleset = syscall(SYS_LANDLOCK_CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(ctypes.sizeof(handled)), 0)
    if ruleset < 0:
        return
    if can_move:
        allow(syscall, ruleset, "/", LANDLOCK_REFER)
    for path in allowed_beside(hidden):
        allow(syscall, ruleset, path, LANDLOCK_READ_FILE)
    syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def allowed_beside(hidden: set[str]) -> list[str]:
    """Return the smallest set of paths that covers everything except the hidden paths."""
    if not hidden:
        return ["/"]
    ways = {parent for path in hidden for parent in parents_of(path)}
    allowed: list[str] = []
    for way in ways:
        with contextlib.suppress(OSError), os.scandir(way) as entries:
            # Landlock checks the target of a symbolic link, so the link itself needs no rule.
            beside = [entry.path for entry in entries if not entry.is_symlink()]
            allowed += [path for path in beside if path not in ways and path not in hidden]
    return allowed


def parents_of(path: str) -> list[str]:
    """Return every parent directory of a path."""
    parents: list[str] = []
    while path != "/":
        path = os.path.dirname(path)
        parents.append(path)
    return parents


def allow(syscall: Callable[..., int], ruleset: int, path: str, access: int) -> None:
    """Allow this process an access to the files below a path."""
    import ctypes
    import struct

    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    rule = ctypes.create_string_buffer(struct.pack("=Qi", access, folder))
    syscall(SYS_LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0)
    os.close(folder)


def main(parent: int, hidden: str, program: str, argv: list[str]) -> None:
    """Limit this process, then execute the server in its place."""
    if sys.platform == "linux":
        tie_to(parent)
        hide([path for path in hidden.split(os.pathsep) if path])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would contain the secrets of the server
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores SIGPIPE, and exec would keep it ignored
    try:
        os.execv(program, argv)  # noqa: S606  without a shell on purpose
    except OSError as error:
        sys.stderr.write(f"{os.path.basename(program)}: {error.strerror}\n")
        os._exit(CANNOT_RUN)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
