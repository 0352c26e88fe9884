"""`make demo` ends by itself and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "hack" / "demo.py"


def test_the_demo_shows_the_walk_through_and_cleans_up(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "OPENAI_API_KEY"}
    done = subprocess.run(
        [sys.executable, DEMO],
        env={**environment, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("key and model are not verified", "FinalAnswer", "LLMFinalAnswer", "Nothing is left running"):
        assert part in done.stdout
    before, killed, after = done.stdout.rpartition("kill -9")
    assert killed
    assert "sum-task-1-t0-c0   Succeeded" in before
    assert "FinalAnswer" in after
    assert list(tmp_path.iterdir()) == []
    assert processes_of(tmp_path) == []


def processes_of(folder: Path) -> list[str]:
    """Command lines that name the folder in which the demo took place."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(folder) in line]
