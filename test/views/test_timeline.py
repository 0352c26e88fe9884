"""When what ran, and where it is drawn."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from kubechain.views.gathered import Gathered
from kubechain.views.scales import scale_of
from kubechain.views.spans import Lane, spans_of
from kubechain.views.story import Story
from kubechain.views.telling import story_of
from kubechain.views.timeline import LEAST_PERCENT, ROWS, Timeline, timeline_of
from test.pages import stories
from test.views.builders import NOW, SYSTEM, a_call, a_run, answer, at, result, user


def drawn(story: Story) -> Timeline:
    found = timeline_of(story, NOW)
    assert found is not None
    return found


def told(story: Story) -> list[tuple[str, str, float, float]]:
    """Lane, label, and the seconds before NOW of each span."""
    return [
        (span.lane.value, span.label, (span.start - NOW).total_seconds(), (span.end - NOW).total_seconds())
        for span in spans_of(story, NOW)
    ]


def a_run_without_records() -> Story:
    window = [SYSTEM, user("x"), answer("", ("c1", "look", "{}")), result("c1", "y"), answer("y")]
    run = a_run(phase="FinalAnswer", contextWindow=window, turn=2, startTime=at(-60), completionTime=at(-10))
    call = a_call("c", "c1", "look", phase="Succeeded", result="y", startTime=at(-50), completionTime=at(-30))
    return story_of(Gathered(run, (call,)))


def test_model_calls_without_a_record_lie_between_the_tool_calls() -> None:
    assert told(a_run_without_records()) == [
        ("Model", "turn 1", -60, -50),
        ("Model", "turn 2", -30, -10),
        ("Tools", "look", -50, -30),
    ]


def test_model_calls_are_where_the_run_has_recorded_them() -> None:
    [first, *_] = told(stories.a_family())
    early = -120 - 2 * 3600 - 95
    assert first == ("Model", "turn 1", early, early + 6)


def test_a_wait_for_a_person_is_told_apart_from_the_call_that_follows_it() -> None:
    found = {(lane, label): (start, end) for lane, label, start, end in told(stories.a_family())}
    assert found["People", "github__create_issue Approve by ada@acme.example"] == (-7331, -120)
    assert found["Tools", "github__create_issue"] == (-120, -117)


def test_what_goes_on_ends_now() -> None:
    [person] = [span for span in spans_of(stories.an_open_family(), NOW) if span.lane is Lane.PEOPLE]
    assert person.is_open
    assert person.end == NOW
    claim = {"turn": 0, "attempt": 0, "token": "t", "holder": "h", "startedAt": at(-5), "deadline": at(60)}
    [model] = spans_of(story_of(Gathered(a_run(phase="SendContextWindowToLLM", llm=claim))), NOW)
    assert (model.label, model.is_open, model.seconds) == ("turn 1", True, 5)


def test_runs_below_have_tracks_of_their_own() -> None:
    found = drawn(stories.a_family())
    assert [(track.story.agent, track.depth) for track in found.tracks] == [("upgrade-scout", 0), ("release-notes", 1)]
    assert [lane.lane for lane in found.tracks[0].lanes] == [Lane.MODEL, Lane.TOOLS, Lane.PEOPLE, Lane.AGENTS]


def test_calls_at_the_same_time_are_in_rows_of_their_own() -> None:
    [tools] = [lane for lane in drawn(stories.a_family()).tracks[0].lanes if lane.lane is Lane.TOOLS]
    for row in tools.rows:
        for before, after in pairwise(row):
            assert before.left + before.width <= after.left + 0.02
    assert len(tools.rows) == 3


def test_every_bar_is_on_the_page_and_can_be_seen() -> None:
    for story in (stories.a_family(), stories.an_open_family(), stories.a_story_of_turns(300), a_run_without_records()):
        for track in drawn(story).tracks:
            for lane in track.lanes:
                assert len(lane.rows) <= ROWS
                for bar in [bar for row in lane.rows for bar in row]:
                    assert bar.width >= LEAST_PERCENT
                    assert bar.left >= 0
                    assert bar.left + bar.width <= 100.001


def test_a_run_that_has_not_begun_has_no_timeline() -> None:
    assert timeline_of(story_of(Gathered(a_run())), NOW) is None


def test_a_clock_that_went_back_does_no_harm() -> None:
    call = a_call("c", "c1", "look", phase="Succeeded", result="y", startTime=at(-50), completionTime=at(-55))
    window = [SYSTEM, user("x"), answer("", ("c1", "look", "{}")), result("c1", "y"), answer("y")]
    run = a_run(phase="FinalAnswer", contextWindow=window, startTime=at(-40), completionTime=at(-41))
    assert all(span.end >= span.start for span in spans_of(story_of(Gathered(run, (call,))), NOW))
    assert timeline_of(story_of(Gathered(run, (call,))), NOW - timedelta(hours=1)) is not None


def test_a_long_wait_takes_little_room() -> None:
    scale = scale_of([(0, 30), (7230, 7260)], 7260)
    assert scale.breaks == ((30, 7230),)
    assert scale.percent(7230) - scale.percent(30) < 10
    assert (scale.percent(0), scale.percent(7260)) == (0, 100)


def test_short_waits_are_as_long_as_they_were() -> None:
    scale = scale_of([(0, 30), (45, 60)], 60)
    assert scale.breaks == ()
    assert scale.percent(30) == pytest.approx(50)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 7, 60, 3600, 86_400 * 30])
def test_labels_are_few_and_apart(seconds: float) -> None:
    for busy in ([(0.0, seconds)], [(0.0, seconds / 100)], []):
        scale = scale_of(busy, seconds)
        places = [scale.percent(tick) for tick in scale.ticks()]
        assert len(places) <= 12
        assert all(after - before >= 9 for before, after in pairwise(places))
        assert all(0 <= place <= 100 for place in places)


def test_percent_never_falls() -> None:
    scale = scale_of([(10, 20), (500, 510), (9000, 9001)], 20_000)
    places = [scale.percent(second) for second in range(-5, 20_010, 5)]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, 100)
