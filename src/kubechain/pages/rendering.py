"""Renders a story: whole as a report, or in parts for the live page, which replaces those that have changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from kubechain import __version__
from kubechain.net.foreign import harmless
from kubechain.pages import assets, forms, wording
from kubechain.views import explaining, spans, trees
from kubechain.views.story import Question, Story, Turn
from kubechain.views.timeline import timeline_of
from kubechain.views.wording import between, brief, counted, money, precise, span


@dataclass(frozen=True, slots=True)
class Page:
    """What a page of a run is made from.

    Attributes:
        csrf: Of the session that may decide, for its forms; None for a report, which has no forms.
    """

    story: Story
    now: datetime
    csrf: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether a person can decide on it."""
        return self.csrf is not None


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a page, each one element with an id, by that id.

    Attributes:
        order: By the id of a box, the ids of the parts in it.
    """

    html: Mapping[str, Markup]
    order: Mapping[str, tuple[str, ...]]


def report(story: Story, now: datetime) -> str:
    """One file that shows a run: style and script are in it, and nothing is loaded."""
    page = Page(story, now)
    return (
        environment()
        .get_template("report.html")
        .render(
            page=page,
            parts=parts(page),
            policy=assets.REPORT_POLICY,
            style=Markup(assets.STYLE),  # noqa: S704 our own file
            script=Markup(assets.SEARCH),  # noqa: S704 our own file
            version=__version__,
        )
    )


def parts(page: Page) -> Parts:
    """All parts of the page of a run."""
    story = page.story
    entries = {
        spans.entry_anchor(story, index): part("entry", page, story, index, entry)
        for index, entry in enumerate(story.entries)
    }
    return parts_of(page, overview_of(page), entries)


def parts_of(page: Page, overview: Mapping[str, Markup], entries: Mapping[str, Markup]) -> Parts:
    """All parts, of which some have been rendered.

    Args:
        overview: See `overview_of`.
        entries: Of the conversation, in its order.
    """
    questions = {f"q-{each.request}": part("question", page, each) for each in _questions(page.story)}
    fixed = {name: part(name, page) for name in ("head", "waits")}
    html = {**fixed, **overview, **questions, **entries}
    return Parts(html, {"questions": tuple(questions), "talk": tuple(entries)})


def live(page: Page) -> str:
    """The page of a run that the server goes on to update."""
    return environment().get_template("live.html").render(page=page, parts=parts(page))


def notice(title: str, text: str) -> str:
    """A live page that only says something."""
    return environment().get_template("notice.html").render(title=title, text=text)


def overview_of(page: Page) -> dict[str, Markup]:
    """The parts that show the whole run at once, and change by themselves while it goes on."""
    timeline = part("timeline", page, timeline_of(page.story, page.now))
    return {"timeline": timeline, "side": part("side", page)}


def _questions(story: Story) -> list[Question]:
    return [question for each in story.tree() for question in each.questions]


def part(name: str, *arguments: object) -> Markup:
    """What a macro of the templates makes of its arguments."""
    return getattr(environment().get_template("parts.html").module, name)(*arguments)


@cache
def environment() -> Environment:
    """The templates; every text that they show is escaped, and freed from what deceives a reader."""
    made = Environment(
        loader=FileSystemLoader(assets.TEMPLATES),
        auto_reload=False,  # else each part of a page asks the file system whether its template has changed
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    cast("dict[str, Any]", made.filters).update(
        brief=brief,
        clock=wording.clock,
        counted=counted,
        money=money,
        moment=wording.moment,
        precise=precise,
        pretty=wording.pretty,
        short=wording.short,
        shown=wording.shown,
        span=span,
    )
    cast("dict[str, Any]", made.tests)["turn"] = _is_turn
    cast("dict[str, Any]", made.globals).update(
        between=between,
        call_anchor=spans.call_anchor,
        call_state=wording.call_state,
        entry_anchor=spans.entry_anchor,
        features=wording.features,
        form=forms.of_question,
        headline=forms.headline,
        rows=trees.rows,
        spent=explaining.spent_text,
        state=wording.state,
        tone_of_call=trees.tone_of_call,
    )
    return made


def _is_turn(entry: object) -> bool:
    return isinstance(entry, Turn)


def _harmless(value: object) -> object:
    """Called for whatever a template shows, before it is escaped."""
    if isinstance(value, Markup):
        return value
    return harmless(value) if isinstance(value, str) else "" if value is None else value
