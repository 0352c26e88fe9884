"""Writes the pictures of the README: the page of a run, light and dark, from the story that the tests of the page use.

    python hack/pictures.py

It needs the development packages and Chromium (`hack/test_programs.sh`).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from kubechain.pages.rendering import report  # noqa: E402  the tests are beside, not installed
from test.browser import a_browser  # noqa: E402
from test.pages.stories import a_family  # noqa: E402
from test.views.builders import NOW  # noqa: E402

FOLDER = ROOT / "docs" / "pictures"
SIZE = {"width": 1120, "height": 806}
"""In CSS pixels: the header and the timeline."""


def main() -> int:
    """Write both pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, a_browser() as browser:
        page = Path(folder) / "run.html"
        page.write_text(report(a_family(), NOW), encoding="utf-8")
        _take(browser, page, "light")
        _take(browser, page, "dark")
    return 0


def _take(browser: Browser, file: Path, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(viewport={"width": SIZE["width"], "height": SIZE["height"]}, color_scheme=scheme)
    page = context.new_page()
    page.goto(file.as_uri())
    picture = FOLDER / f"run-{scheme}.png"
    page.screenshot(path=picture)
    print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size / 1000:.0f} kB")
    context.close()


if __name__ == "__main__":
    sys.exit(main())
