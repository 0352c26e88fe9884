"""A headless Chromium for tests, where the machine has one, and the accessibility rules of axe-core.

`hack/test_programs.sh` installs the browser on Debian. Modules that use it have no asynchronous tests: Playwright runs
an event loop of its own in their thread.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from test import registry

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

PHONE = {"width": 360, "height": 740}
"""A small phone, in CSS pixels."""

AXE = "4.14.1"


def why_not() -> str:
    """Why there is no browser; empty where there is one."""
    return "" if _program() else "chromium is not installed: hack/test_programs.sh installs it on Debian"


def _program() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def a_browser() -> Generator[Browser]:
    """The browser with a new profile; the test is skipped where there is none."""
    program = _program()
    if program is None:
        pytest.skip(why_not())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@cache
def axe() -> str:
    """The script of axe-core, from the npm registry or as it was fetched before; without either the test is skipped."""
    folder = registry.CACHE / f"axe-core-{AXE}"
    script = folder / "package" / "axe.min.js"
    if not script.exists():
        registry.require(registry.why_not_npm())
        folder.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "pack", f"axe-core@{AXE}", "--silent", "--pack-destination", str(folder)]
        subprocess.run(npm, check=True, capture_output=True, cwd=folder)
        with tarfile.open(folder / f"axe-core-{AXE}.tgz") as archive:
            archive.extract("package/axe.min.js", folder, filter="data")
    return Path(script).read_text()


def complaints(page: Page) -> list[str]:
    """What axe-core finds wrong with the page, best practices included: contrast, names, landmarks."""
    page.evaluate(axe())  # not a script element: the page allows none
    found: dict[str, Any] = page.evaluate("axe.run()")
    return [f"{rule['id']}: {node['html']}" for rule in found["violations"] for node in rule["nodes"]]
