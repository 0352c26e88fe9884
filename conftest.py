"""What holds for every test of all packages: examples of a property, time limits, workers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

SHORT = "short"
LONG = "long"

E2E_TIMEOUT_SECONDS = 300
"""For a test of whole programs, which waits up to a minute for each of several things. The others have the `timeout` of
pyproject.toml."""

# A deadline for an example measures the other work of the machine, not ours.
settings.register_profile(SHORT, deadline=None, max_examples=20)
settings.register_profile(LONG, deadline=None, max_examples=100)
settings.load_profile(SHORT)  # `--hypothesis-profile=long` loads the other one before test modules are imported.

# A shell has the commands that it starts in the background ignore SIGINT, and every program that a test starts inherits
# that: those that a test interrupts would go on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST_FIRST = (
    "test/e2e/test_restarts.py",
    "test/e2e/test_uninstall.py",
    "test/e2e",
    "test/process",
    "test/simulation",
)
"""What takes longest, so that with several workers none has it still to do when the others are done."""

WORKERS_MORE_THAN_CORES = 1
"""Tests of whole programs wait for more than half of their time."""

_FOLDER = Path(__file__).parent


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """With `-n auto`. Each worker takes a module at a time, and has a control plane and a manager of its own."""
    return (os.cpu_count() or 1) + WORKERS_MORE_THAN_CORES


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set the time limits, and the order in which workers are given the modules."""
    for item in items:
        if _is_in(item, "test/e2e") or _is_in(item, "test/process"):
            item.add_marker(pytest.mark.timeout(E2E_TIMEOUT_SECONDS))
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


def _is_in(item: pytest.Item, part: str) -> bool:
    """Tell whether a test is in that file or folder, a path from here."""
    return item.path.is_relative_to(_FOLDER / part)


def _rank(item: pytest.Item) -> int:
    return next((at for at, part in enumerate(LONGEST_FIRST) if _is_in(item, part)), len(LONGEST_FIRST))
