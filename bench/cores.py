"""Which cores the parts of a bench run on: Linux only, as `os.sched_setaffinity` is.

Where all parts share all cores, a plain client that is compared with the manager also gets the cores that the manager
needed, so that it shows what the machine allows. With the API server and etcd on cores of their own, both have the same
server, and it shows what the server allows.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Halves:
    """The cores of this process, halved.

    Attributes:
        server: For the API server, and etcd where there is one.
        rest: For manager, model, plain client and driver.
    """

    server: frozenset[int]
    rest: frozenset[int]

    def __str__(self) -> str:
        return f"API server on cores {sorted(self.server)}, everything else on cores {sorted(self.rest)}"


def halves() -> Halves:
    """The cores that this process may use, in two halves; the server gets the smaller one where they are odd.

    Raises:
        SystemExit: There is one core only, or the system cannot do it.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("--apart needs Linux: other systems do not bind processes to cores")
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit("--apart needs two cores, and this process may use one")
    middle = len(allowed) // 2
    return Halves(frozenset(allowed[:middle]), frozenset(allowed[middle:]))


@contextlib.contextmanager
def only(cores: frozenset[int] | None) -> Generator[None]:
    """Bind this thread, and the processes that it starts meanwhile, to these cores; None leaves them as they are."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
