"""The API server on cores of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench import cores

linux_only = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are bound on Linux only")


def allow(monkeypatch: pytest.MonkeyPatch, allowed: set[int]) -> None:
    def allowed_for(_: int) -> set[int]:
        return allowed

    monkeypatch.setattr(os, "sched_getaffinity", allowed_for)


@linux_only
def test_the_halves_are_all_cores_and_share_none(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, {0, 1, 2, 3, 4})
    halves = cores.halves()
    assert (halves.server, halves.rest) == ({0, 1}, {2, 3, 4})


@linux_only
def test_one_core_cannot_be_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, {0})
    with pytest.raises(SystemExit, match="needs two cores"):
        cores.halves()


@linux_only
def test_a_process_stays_on_the_cores_that_it_was_started_on() -> None:
    before = os.sched_getaffinity(0)
    one = frozenset([min(before)])
    with cores.only(one):
        told = subprocess.check_output([sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"], text=True)
    assert [int(core) for core in told.split()] == list(one)
    assert os.sched_getaffinity(0) == before
