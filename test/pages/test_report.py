"""What a report has in it, and that nothing foreign in it becomes markup."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

import pytest

from kubechain.pages import assets
from kubechain.pages.rendering import Page, parts, report
from kubechain.views.telling import story_of
from test.pages import stories
from test.views.builders import NOW, a_run

ELEMENTS = frozenset(
    {
        *("html", "head", "meta", "title", "style", "body", "script", "header", "main", "footer", "section", "article"),
        *("aside", "div", "h1", "h2", "h3", "h4", "p", "span", "a", "b", "i", "small", "code", "pre", "time", "output"),
        *("dl", "dt", "dd", "ol", "ul", "li", "details", "summary", "svg", "rect", "text", "line"),
        *("form", "label", "input", "textarea", "button"),
    }
)
"""All that our templates have."""


class Seen(HTMLParser):
    """The elements and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements, self.attributes, self.text = Counter[str](), list[tuple[str, str]](), list[str]()
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside not in {"script", "style"}:
            self.text.append(data)


def test_a_report_has_what_a_person_looks_for() -> None:
    text = " ".join(" ".join(Seen(report(stories.a_family(), NOW)).text).split())
    for expected in (
        "upgrade-1", "Answered", "upgrade-scout", "claude", "Which of our manifests break",
        "issue #417 is open", "2h1m", "30.1k", "$0.065", "release-notes", "1 run below",
        "Turn 2", "2,846 tokens", "$0.0092", "grep_manifests", "billing: permission denied",
        "Approve by ada@acme.example", "Good catch.", "Find who uses them", "turn 4", "2 · 16s",
    ):  # fmt: skip
        assert expected in text, expected


def test_nothing_is_loaded_from_elsewhere() -> None:
    seen = Seen(report(stories.a_family(), NOW))
    names = {name for name, _ in seen.attributes}
    assert not names & {"src", "srcset", "style", "action", "data", "poster", "background"}
    assert all(value.startswith("#") for name, value in seen.attributes if name == "href")
    policy = next(value for _, value in seen.attributes if value.startswith("default-src"))
    assert policy == assets.REPORT_POLICY
    assert "unsafe" not in policy


def test_hostile_texts_never_become_markup() -> None:
    page = report(stories.a_hostile_story(), NOW)
    seen = Seen(page)
    assert set(seen.elements) <= ELEMENTS
    names = {name for name, _ in seen.attributes}
    assert not [name for name in names if name.startswith("on") or name in {"srcdoc", "style", "autofocus"}]
    assert all(value.startswith("#") for name, value in seen.attributes if name == "href")
    assert [seen.elements[each] for each in ("script", "style", "h1")] == [1, 1, 1]
    assert not any(each in page for each in ("\u202e", "\x1b", "\x00", "\u2028"))
    page.encode()  # nothing that no file can hold
    text = "".join(seen.text)
    for hostile in ("<script>window.owned = 1</script>", "{{ 7 * 7 }}", "**bold**"):
        assert hostile in text, "it is shown as it was written"


def test_hostile_texts_never_become_markup_on_the_live_page() -> None:
    shown = parts(Page(stories.a_hostile_story(), NOW, csrf="token"))
    seen = Seen("".join(shown.html.values()))
    assert set(seen.elements) <= ELEMENTS
    assert seen.elements["form"] == len(stories.HOSTILE), "one for each request, and none of theirs"
    assert {value for name, value in seen.attributes if name == "action"} == {
        f"/decide/default/open{place}" for place in range(len(stories.HOSTILE))
    }


def test_a_long_text_is_cut_and_says_so() -> None:
    run = a_run(phase="FinalAnswer", output="x" * 60_000)
    page = report(story_of(stories.Gathered(run)), NOW)
    assert "[40,000 more characters are not shown here]" in page
    assert len(page) < 80_000


def test_an_answer_that_is_text_is_not_laid_out_as_json() -> None:
    run = a_run(phase="FinalAnswer", output="[a list of none")
    assert "[a list of none" in report(story_of(stories.Gathered(run)), NOW)


@pytest.mark.parametrize("phase", [None, "Initializing", "SendContextWindowToLLM", "Failed", "Cancelled"])
def test_a_run_that_has_said_nothing_is_a_page_too(phase: str | None) -> None:
    page = report(story_of(stories.Gathered(a_run(phase=phase))), NOW)
    assert "hello-1" in page
    assert "None" not in " ".join(Seen(page).text)


def test_a_report_has_no_form_that_decides() -> None:
    page = report(stories.an_open_family(), NOW)
    assert "kubechain approve upgrade-1-t2-c0" in page
    assert 'name="csrf"' not in page


def test_the_same_story_is_the_same_parts() -> None:
    first, second = (parts(Page(stories.an_open_family(), NOW, csrf="x")) for _ in range(2))
    assert first == second, "the live page sends what has changed, and nothing else"
