"""Renders the page of one run again and again while it goes on: what has not changed is not rendered again.

A long run has hundreds of turns, of which a change touches one or two. Timeline and tree show all of them and change
with each: they are drawn again once the bytes of the last drawing are paid for, at a fixed rate of bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from markupsafe import Markup

from kubechain.pages.rendering import Page, Parts, overview_of, part, parts_of
from kubechain.views import spans
from kubechain.views.story import Call, Entry, Story, Turn

OVERVIEW_BYTES_A_SECOND = 32_768
"""Of timeline and tree in the long run: those of a short run are drawn with each change, those of 300 turns every few
seconds."""


class Repainter:
    """The parts of one page, as they were rendered last."""

    def __init__(self, csrf: str) -> None:
        """Render nothing yet.

        Args:
            csrf: Of the session that may decide.
        """
        self._csrf = csrf
        self._entries: dict[str, tuple[Entry, Markup]] = {}
        self._overview: dict[str, Markup] = {}
        self._due_at: datetime | None = None
        self._is_behind = False

    def parts(self, story: Story, now: datetime) -> Parts:
        """The parts as they are now, or were a moment ago where they are large."""
        page = Page(story, now, self._csrf)
        is_due = self._due_at is None or now >= self._due_at or story.is_over
        if is_due:
            self._overview = overview_of(page)
            size = sum(map(len, self._overview.values()))
            self._due_at = now + timedelta(seconds=size / OVERVIEW_BYTES_A_SECOND)
        self._is_behind = not is_due
        self._entries = dict(self._painted(page))
        return parts_of(page, self._overview, {id: html for id, (_, html) in self._entries.items()})

    def behind_seconds(self, now: datetime) -> float | None:
        """Until a part that is older than the others may be drawn again; None where none is."""
        if not self._is_behind or self._due_at is None:
            return None
        return max((self._due_at - now).total_seconds(), 0.0)

    def _painted(self, page: Page) -> Iterable[tuple[str, tuple[Entry, Markup]]]:
        for index, entry in enumerate(page.story.entries):
            id = spans.entry_anchor(page.story, index)
            known = self._entries.get(id)
            if known is not None and known[0] == entry and _is_settled(entry):
                yield id, known
            else:
                yield id, (entry, part("entry", page, page.story, index, entry))


def _is_settled(entry: Entry) -> bool:
    """Whether nothing of it depends on the time: a call that goes on shows how long it has taken."""
    return not isinstance(entry, Turn) or all(map(_is_over, entry.calls))


def _is_over(call: Call) -> bool:
    below = call.child.calls if call.child is not None else ()
    return (call.ended_at is not None or call.started_at is None) and all(map(_is_over, below))
