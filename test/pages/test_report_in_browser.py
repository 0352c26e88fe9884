"""The report as a person has it: in Chromium, on a desk and on a phone, light and dark, with and without its script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from kubechain.pages.rendering import report
from kubechain.views.story import Story
from test.browser import PHONE, a_browser, complaints
from test.pages import stories
from test.views.builders import NOW

DESK = {"width": 1280, "height": 900}

OPEN_SECONDS = 1.0
"""For the file of 300 turns, from the request to the end of its loading."""

STORIES = {
    "a family": stories.a_family(),
    "one that waits": stories.an_open_family(),
    "hostile texts": stories.a_hostile_story(),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


def opened(browser: Browser, story: Story, folder: Path, size: dict[str, int] = DESK, **more: object) -> Page:
    """The report of a story, opened from its file."""
    file = folder / "run.html"
    file.write_text(report(story, NOW), encoding="utf-8")
    context = browser.new_context(viewport={"width": size["width"], "height": size["height"]}, **more)  # pyright: ignore[reportArgumentType]
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.on("console", lambda message: pytest.fail(message.text))
    page.goto(file.as_uri())
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_everybody_can_read_it(
    browser: Browser, story: Story, size: dict[str, int], scheme: Literal["light", "dark"], tmp_path: Path
) -> None:
    page = opened(browser, story, tmp_path, size, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], "nothing is wider than the screen"
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert complaints(page) == []
    assert page.evaluate("window.owned") is None
    page.context.close()


def test_three_hundred_turns_open_in_a_second_and_are_searched(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, stories.a_story_of_turns(300), tmp_path)
    seconds = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000")
    assert seconds < OPEN_SECONDS
    page.get_by_role("searchbox").fill("needle-217.")
    page.get_by_text("1 of 303").wait_for()
    [found] = page.locator("#talk > article:visible").all()
    assert "Turn 217" in (found.text_content() or "")
    assert found.locator("details").first.get_attribute("open") is not None, "what it was found in is open"
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="Errors").click()
    page.get_by_text("6 of 303").wait_for()
    page.context.close()


def test_a_bar_leads_to_its_turn(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, stories.a_family(), tmp_path)
    page.locator(".bar.tools").last.click()
    assert page.evaluate("document.querySelector('details.call:target').open")
    page.context.close()


def test_it_is_read_without_its_script(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, stories.a_family(), tmp_path, java_script_enabled=False)
    assert page.get_by_role("searchbox").count() == 0
    page.locator("summary", has_text="github__list_repos").click()
    assert page.locator("pre", has_text="acme").first.is_visible()
    page.context.close()


def test_the_keyboard_reaches_the_search_and_every_call(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, stories.a_family(), tmp_path)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "words"
    reached = set[str]()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.parentElement.id || ''"))
    assert {"upgrade-1.2.0", "upgrade-1.3.1", "upgrade-1.4.0"} <= reached
    page.context.close()
