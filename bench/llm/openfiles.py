"""Open files: each conversation has a connection, so a process needs more of them than shells usually allow."""

from __future__ import annotations

import resource

SPARE = 100
"""Files that are open besides the connections."""


def allow_connections(count: int) -> None:
    """Raise this process's soft limit of open files, as far as that many connections need it.

    Raises:
        SystemExit: The hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + SPARE
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise SystemExit(f"{count} connections need {needed} open files, and the hard limit is {hard}: ulimit -Hn")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
