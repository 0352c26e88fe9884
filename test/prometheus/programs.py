"""Prometheus and promtool, as hack/prometheus.sh finds or fetches them."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "hack" / "prometheus.sh"

REQUIRED = "KUBECHAIN_PROMETHEUS"
"""With the value `required` a machine without the programs fails the tests; else they are skipped there."""


@functools.cache
def _folder() -> Path | str:
    """Where they are, or why there are none."""
    said = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    return Path(said.stdout.strip()) if said.returncode == 0 else said.stderr.strip().splitlines()[-1]


def program(name: str) -> Path:
    """One of them; the test is skipped where there are none."""
    match _folder():
        case Path() as folder:
            return folder / name
        case why_not:
            if os.environ.get(REQUIRED) == "required":
                pytest.fail(why_not)
            pytest.skip(why_not)


def promtool(*arguments: str | Path, stdin: bytes | None = None) -> str:
    """What promtool says; it must agree."""
    said = subprocess.run([program("promtool"), *arguments], capture_output=True, input=stdin, check=False)
    text = (said.stdout + said.stderr).decode()
    assert said.returncode == 0, text
    return text
