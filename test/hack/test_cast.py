"""The recorded session of the README: the terminal that reads it, the SVG that shows it, and whether it is current."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hack.cast.__main__ import PICTURE
from hack.cast.drawing import LAST_SECONDS, Frame, drawn
from hack.cast.recording import LONGEST_SECONDS, paced
from hack.cast.screen import Run, Screen, Style
from hack.cast.session import STEPS
from test.browser import a_browser

README = Path(__file__).resolve().parents[2] / "README.md"
SVG = "{http://www.w3.org/2000/svg}"
MAX_BYTES = 300_000

WRITTEN = [
    pytest.param(["ab\r\ncd"], ["ab", "cd"], id="two lines"),
    pytest.param(["abc\rx"], ["xbc"], id="back to the beginning"),
    pytest.param(["abcdefgh"], ["abcdef", "gh"], id="a line that is too long"),
    pytest.param(["1\r\n2\r\n3\r\n4"], ["2", "3", "4"], id="more lines than there are rows"),
    pytest.param(["one\r\ntwo\x1b[1A\r\x1b[2Kx"], ["x", "two"], id="a line above that is written again"),
    pytest.param(["abcd\b\b\x1b[K"], ["ab"], id="the rest of a line that is erased"),
    pytest.param(["abc\x1b[H\x1b[2Jx"], ["x"], id="a screen that is cleared"),
    pytest.param(["a\x1b[", "31mb"], ["ab"], id="a sequence that comes in two parts"),
    pytest.param(["a\x1b]0;title\x07b\x1b[?25l\x07"], ["ab"], id="what is not shown"),
    pytest.param(["a\tb"], ["a    b"], id="a tab, at the edge"),
]


@pytest.mark.parametrize(("parts", "expected"), WRITTEN)
def test_the_terminal_shows(parts: list[str], expected: list[str]) -> None:
    screen = Screen(6, 3)
    for part in parts:
        screen.feed(part)
    shown = [" " * line[0].column + "".join(run.text for run in line) for line in screen.lines() if line]
    assert shown == expected


def test_colours_are_runs() -> None:
    screen = Screen(20, 1)
    screen.feed("a\x1b[1;32mb\x1b[0mc\x1b[2md")
    assert screen.lines()[0] == (
        Run(0, "a", Style()),
        Run(1, "b", Style("green", is_bold=True)),
        Run(2, "c", Style()),
        Run(3, "d", Style(is_dim=True)),
    )


def frame(at: float, *lines: str) -> Frame:
    return Frame(at, tuple((Run(0, line, Style()),) if line else () for line in lines))


def test_frames_that_show_nothing_new_are_left_out_and_pauses_are_short() -> None:
    found = paced([frame(5, "a"), frame(5.01, "b"), frame(6, "b"), frame(60, "c")])
    assert found == [frame(0, "b"), frame(0.99 + 0.01 + LONGEST_SECONDS, "c")]


def test_a_line_is_drawn_once_for_as_long_as_it_stands() -> None:
    svg = ElementTree.fromstring(
        drawn([frame(0, "a", ""), frame(1, "a", "<b>")], columns=10, rows=2, title="T", description="D")
    )
    texts = svg.findall(f"{SVG}text")
    assert ["".join(text.itertext()) for text in texts] == ["a", "<b>"]
    style = svg.findtext(f"{SVG}style") or ""
    assert f"{1 + LAST_SECONDS:.2f}s step-end infinite" in style
    assert "@keyframes k0{0%{visibility:visible}}" in style, "the first line stands from the beginning to the end"


@pytest.fixture(scope="module")
def picture() -> str:
    return PICTURE.read_text(encoding="utf-8")


def test_the_picture_shows_what_the_session_types(picture: str) -> None:
    svg = ElementTree.fromstring(picture)
    lines = {"".join(text.itertext()) for text in svg.findall(f"{SVG}text")}
    for step in STEPS:
        assert f"$ {step.line}" in lines, "python -m hack.cast"
        assert any(step.shows in line for line in lines), step.shows
    assert svg.findtext(f"{SVG}desc") == "\n".join(f"$ {step.line}" for step in STEPS)


def test_the_picture_is_small_and_loads_and_runs_nothing(picture: str) -> None:
    assert len(picture.encode()) < MAX_BYTES
    names = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(picture).iter()}
    assert names == {"svg", "title", "desc", "style", "rect", "text", "tspan"}
    assert not re.search(r"url\(|@import|href|on[a-z]+=|127\.0\.0\.1|/tmp/", picture)


def test_the_readme_shows_the_picture() -> None:
    assert "docs/pictures/session.svg" in README.read_text()


def test_a_browser_shows_one_picture_after_the_other_and_without_motion_the_last_one() -> None:
    seen = """seconds => {
        for (const each of document.getAnimations()) { each.pause(); each.currentTime = seconds * 1000 }
        return [...document.querySelectorAll('text')].filter(
            each => getComputedStyle(each).visibility === 'visible').map(each => each.textContent)
    }"""
    with a_browser() as browser:
        page = browser.new_page()
        page.goto(PICTURE.as_uri())
        count = page.evaluate("document.getAnimations().length")
        assert count > 50
        end = page.evaluate("document.getAnimations()[0].effect.getComputedTiming().duration / 1000")
        last = page.evaluate(seen, end - 1)
        assert f"$ {STEPS[-1].line}" in last
        assert f"$ {STEPS[1].line}" not in last
        assert f"$ {STEPS[1].line}" in page.evaluate(seen, 6)
        still = browser.new_context(reduced_motion="reduce").new_page()
        still.goto(PICTURE.as_uri())
        assert still.evaluate(seen, 3) == last
