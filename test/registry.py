"""Whether the package registries can be reached from here, and where tests keep what they fetch.

Tests that need a registry ask for one of the marks below; on a machine without it they are skipped with the reason.
With KUBECHAIN_REGISTRIES=required, as in continuous integration, they run and fail instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

UV, UVX = (Path(sys.executable).with_name(name) for name in ("uv", "uvx"))
PROBE_SECONDS = 60

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kubechain-tests"
"""What is fetched is kept for the next run; tests of a cold cache use a folder of their own."""


def environment() -> dict[str, str]:
    """The variables that make uv and npm keep what they fetch in `CACHE`."""
    return {
        "UV_CACHE_DIR": str(CACHE / "uv"),
        "NPM_CONFIG_CACHE": str(CACHE / "npm"),
        "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    }


@cache
def why_not_pypi() -> str:
    """Why no package of Python can be fetched with uvx; empty if one can."""
    if not UVX.exists():
        return "uvx is not installed"
    return _why_not([str(UVX), "--from", "mcp-server-time", "mcp-server-time", "--help"])


@cache
def why_not_npm() -> str:
    """Why no package of Node can be fetched with npx; empty if one can."""
    if shutil.which("npx") is None or shutil.which("npm") is None:
        return "npx is not installed"
    return _why_not(["npm", "view", "@modelcontextprotocol/server-filesystem", "version"])


def _why_not(command: list[str]) -> str:
    try:
        subprocess.run(
            command,
            env=os.environ | environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"the package registry cannot be reached: {Path(command[0]).name}: {type(error).__name__}"
    return ""


def require(why_not: str) -> None:
    """Skip the test that runs, unless nothing is in its way.

    Args:
        why_not: One of the reasons above.
    """
    if why_not and os.environ.get("KUBECHAIN_REGISTRIES") == "required":
        pytest.fail(why_not)
    if why_not:
        pytest.skip(why_not)
