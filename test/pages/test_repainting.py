"""The live page of a long run: what a change renders and sends, and that nothing stays old."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from kubechain.api.taskrun import TaskRunPhase
from kubechain.cli.live.feeds import Known
from kubechain.pages import repainting
from kubechain.pages.rendering import Page, parts
from kubechain.pages.repainting import OVERVIEW_BYTES_A_SECOND, Repainter
from kubechain.views.story import Story
from test.pages import stories
from test.views.builders import NOW

TURNS = 300
CHANGE_BYTES = 24 * 1024
"""Of one change of a run of 300 turns, beside timeline and tree: the turn, the head, and the order of the turns."""


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def an_open_run(turns: int = TURNS) -> Story:
    """A run that goes on."""
    story = stories.a_story_of_turns(turns)
    return replace(story, phase=TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM, ended_at=None, output="")


def without_the_last_turn(story: Story) -> Story:
    return replace(story, entries=story.entries[:-1])


def sent(known: Known, repainter: Repainter, story: Story, now: datetime) -> dict[str, Any]:
    """What a browser gets."""
    return known.news(repainter.parts(story, now))


def test_a_turn_of_a_long_run_sends_that_turn_and_not_the_others() -> None:
    story, known, repainter = an_open_run(), Known(), Repainter("x")
    whole = sent(known, repainter, without_the_last_turn(story), NOW)
    news = sent(known, repainter, story, later(1))
    assert set(news["html"]) == {"head", f"long-1.{len(story.entries) - 1}"}
    assert list(news["order"]) == ["talk"]
    assert len(json.dumps(whole)) > 500_000
    assert len(json.dumps(news)) < CHANGE_BYTES


def test_a_turn_of_a_long_run_is_rendered_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[str] = []
    original = repainting.part

    def part(name: str, *arguments: object) -> Any:
        rendered.append(name)
        return original(name, *arguments)

    monkeypatch.setattr(repainting, "part", part)
    story, repainter = an_open_run(), Repainter("x")
    repainter.parts(without_the_last_turn(story), NOW)
    assert len(rendered) == len(story.entries) - 1
    rendered.clear()
    repainter.parts(story, later(1))
    assert rendered == ["entry"]


def test_the_timeline_of_a_long_run_is_drawn_again_when_its_bytes_are_paid_for() -> None:
    story, known, repainter = an_open_run(), Known(), Repainter("x")
    first = sent(known, repainter, story, NOW)["html"]
    size = sum(len(first[name]) for name in ("timeline", "side"))
    due_seconds = size / OVERVIEW_BYTES_A_SECOND
    assert due_seconds > 1
    assert set(sent(known, repainter, story, later(due_seconds - 0.5))["html"]) == {"head"}
    assert repainter.behind_seconds(later(due_seconds - 0.5)) == pytest.approx(0.5)  # pyright: ignore[reportUnknownMemberType]
    assert "timeline" in sent(known, repainter, story, later(due_seconds))["html"]
    assert repainter.behind_seconds(later(due_seconds)) is None


def test_the_end_of_a_long_run_is_drawn_at_once() -> None:
    story, known, repainter = stories.a_story_of_turns(TURNS), Known(), Repainter("x")
    sent(known, repainter, an_open_run(), NOW)
    assert {"timeline", "head"} <= set(sent(known, repainter, story, later(0.1))["html"])
    assert repainter.behind_seconds(later(0.1)) is None


def test_a_short_run_is_drawn_whole_with_each_change() -> None:
    repainter = Repainter("x")
    repainter.parts(stories.an_open_family(), NOW)
    for seconds in (2, 4, 6):
        page = Page(stories.an_open_family(), later(seconds), csrf="x")
        assert repainter.parts(page.story, page.now) == parts(page), "a call that goes on shows how long it has taken"


def test_a_browser_that_comes_later_gets_all() -> None:
    story, repainter = an_open_run(5), Repainter("x")
    first = repainter.parts(story, NOW)
    assert Known().news(first) == {"html": first.html, "order": first.order}
