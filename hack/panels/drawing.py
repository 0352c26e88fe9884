"""Draws the dashboard in Chromium with Grafana's published library of panels, which npm fetches once into the cache."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from playwright.sync_api import Error, Page

from test.browser import a_browser

SOURCES: Final = Path(__file__).parent
LOCK: Final = "package-lock.json"

WIDTH, HEIGHT = 1280, 800
"""Of the window, in CSS pixels; the picture is as high as the dashboard."""

MODE: Final = "dark"
"""The theme that Grafana has by itself."""

GAP: Final = 16
"""Left and right of the dashboard, together."""

QUALITY: Final = 85
"""Of the WebP: below, small text has a halo."""

FONTS: Final = {"Inter-Regular.woff2": "400", "Inter-Medium.woff2": "500"}
"""Those that Grafana's styles ask for, with their weights."""

PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>KubeChain</title>
<link rel="stylesheet" href="bundle.css"><body style="margin: 0"><script src="bundle.js"></script></body></html>
"""


class DrawingError(Exception):
    """The page could not be made or says that something is wrong."""


def bundle() -> Path:
    """The folder with the page, made anew from what npm has fetched.

    Raises:
        DrawingError: npm is not there, or cannot fetch.
    """
    if shutil.which("npm") is None:
        raise DrawingError("npm is not on the PATH: Grafana's panels come from its registry")
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    for name in (LOCK, "package.json", "panels.jsx"):
        shutil.copy(SOURCES / name, folder)
    if not is_fetched():
        _npm(folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps")
    _npm(folder, "run", "bundle")
    _place_fonts(folder)
    (folder / "page.html").write_text(PAGE)
    return folder


def is_fetched() -> bool:
    """Whether npm has nothing to fetch any more; it writes this file last."""
    return (_folder() / "node_modules" / ".package-lock.json").exists()


def _folder() -> Path:
    caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    cache = Path(os.environ.get("KUBECHAIN_CACHE", caches / "kubechain"))
    return cache / "grafana" / hashlib.sha256((SOURCES / LOCK).read_bytes()).hexdigest()[:12]


def _npm(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["npm", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DrawingError(f"npm {' '.join(arguments)}: {done.stderr[-2000:]}")


def _place_fonts(folder: Path) -> None:
    fonts, package = folder / "public" / "fonts" / "inter", folder / "node_modules" / "@fontsource" / "inter" / "files"
    fonts.mkdir(parents=True, exist_ok=True)
    for name, weight in FONTS.items():
        shutil.copy(package / f"inter-latin-{weight}-normal.woff2", fonts / name)


def draw(given: Mapping[str, Any]) -> bytes:
    """A picture of a dashboard, as WebP.

    Args:
        given: The dashboard, what was found for its panels, and between which times.

    Raises:
        DrawingError: The page complained.
    """
    folder = bundle()
    with a_browser() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"not loaded: {request.url}"))
        page.goto((folder / "page.html").as_uri())
        try:
            page.evaluate("given => draw(given)", {**given, "mode": MODE, "width": WIDTH - GAP})
            page.wait_for_function(f"document.querySelectorAll('[data-panel] canvas').length >= {_graphs(given)}")
        except Error as error:
            complaints.append(error.message)
        if complaints:
            raise DrawingError("\n".join(complaints))
        return _taken(page)


def _graphs(given: Mapping[str, Any]) -> int:
    """How many panels have something to draw."""
    return sum(bool(series) for series in given["found"].values())


def _taken(page: Page) -> bytes:
    """Playwright itself takes no WebP."""
    height: int = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    session = page.context.new_cdp_session(page)
    form = {"format": "webp", "quality": QUALITY}
    said = cast("dict[str, str]", session.send("Page.captureScreenshot", form))  # pyright: ignore[reportUnknownMemberType]
    return base64.b64decode(said["data"])
