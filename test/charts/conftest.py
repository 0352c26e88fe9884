"""The programs that judge the manifests, and how they are run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 1200
"""For helm and kubeconform on a busy machine, from nothing."""


@pytest.fixture(scope="session")
def judges() -> Path:
    """The folder of helm and kubeconform, built on first use."""
    if shutil.which("go") is None:
        pytest.skip("Go is needed to build helm and kubeconform")
    done = subprocess.run([ROOT / "hack" / "judges" / "build.sh"], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.splitlines()[-1])
