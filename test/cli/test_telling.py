"""The live picture of `kubechain watch`: drawn when the story changes, and not again and again meanwhile."""

from __future__ import annotations

import queue
import time
from dataclasses import replace

import pytest

from kubechain.cli.telling import LiveTeller
from kubechain.views import trees
from test.cli.test_screens import Stream, a_family

DEADLINE_SECONDS = 20.0


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> queue.Queue[str]:
    """The name of the run, for each picture."""
    names = queue.Queue[str]()
    original = trees.rows

    def rows(*arguments: object) -> object:
        found = original(*arguments)  # pyright: ignore[reportArgumentType]
        names.put(found[0].name)
        return found

    monkeypatch.setattr(trees, "rows", rows)
    monkeypatch.setenv("TERM", "xterm")
    return names


def test_a_new_story_is_drawn_at_once(drawn: queue.Queue[str]) -> None:
    stream = Stream(is_terminal=True)
    with LiveTeller(stream) as teller:
        for name in ("first-1", "second-1"):
            teller.tell(replace(a_family(), name=name))
            assert name in list(drawn.queue)[-1]
            assert name in stream.written()


def test_a_story_that_stays_is_drawn_at_most_once_a_second(drawn: queue.Queue[str]) -> None:
    with LiveTeller(Stream(is_terminal=True)) as teller:
        teller.tell(a_family())
        drawn.queue.clear()
        drawn.get(timeout=DEADLINE_SECONDS)
        began = time.monotonic()
        drawn.get(timeout=DEADLINE_SECONDS)
        assert time.monotonic() - began > 0.8
