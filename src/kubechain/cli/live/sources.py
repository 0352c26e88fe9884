"""Where the feeds come from: watches of the API server, as the user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskrun import TaskRun
from kubechain.cli import wallclock
from kubechain.cli.clusters import Place
from kubechain.cli.following import follow
from kubechain.cli.live.feeds import Feed
from kubechain.cli.terminal import Failure
from kubechain.cli.watching import REOPEN, Watch
from kubechain.controllers.resources import HUMAN_REQUESTS, TASK_RUNS
from kubechain.pages import listing
from kubechain.pages.repainting import Repainter
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import ApiError, Forbidden, TransportError
from kubechain.views.story import Story
from kubechain.views.telling import is_decided

Source = Callable[[Feed], Coroutine[Any, Any, None]]

REST_SECONDS = 0.5
"""Between two versions of the list: changes that come together are shown together."""


def of_run(place: Place, name: str, csrf: str) -> Source:
    """A run with the runs below it, until it is over."""

    async def source(feed: Feed) -> None:
        page = _RunPage(feed, csrf)
        helper = asyncio.create_task(page.catching_up())
        try:
            await _lasting(feed, lambda: follow(place, name, page.seen, feed.complain))
        finally:
            helper.cancel()
            await asyncio.gather(helper, return_exceptions=True)

    return source


class _RunPage:
    """The page of a run; what was too large to be drawn again with a change is drawn later."""

    def __init__(self, feed: Feed, csrf: str) -> None:
        self._feed = feed
        self._repainter = Repainter(csrf)
        self._story: Story | None = None
        self._changed = asyncio.Event()

    def seen(self, story: Story) -> bool:
        """Publish a new story; it is never enough."""
        self._story = story
        self._publish(story)
        return False

    def _publish(self, story: Story) -> None:
        self._feed.publish(self._repainter.parts(story, wallclock.now()))
        self._changed.set()

    async def catching_up(self) -> None:
        """Publish again what was left as it was, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if (seconds := self._repainter.behind_seconds(wallclock.now())) is not None:
                await SystemClock().sleep(seconds)
                assert self._story is not None, "a story was published"
                self._publish(self._story)


async def _lasting(feed: Feed, attempt: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Try again for as long as the API server cannot be reached; anything else is said, and is the end."""
    failures = 0
    while True:
        try:
            await attempt()
        except TransportError as error:
            failures += 1
            feed.complain(str(error))
            await SystemClock().sleep(REOPEN.seconds(failures))
        except (ApiError, Failure) as error:
            return feed.complain(str(error), is_over=True)
        else:
            return None


def of_list(place: Place, own_namespace: str) -> Source:
    """All runs that the user may see: those of all namespaces, or of their own where that is forbidden."""

    async def source(feed: Feed) -> None:
        try:
            await _Runs(place, feed, "").run()
        except Forbidden as error:
            if place.namespace is not None:
                return feed.complain(str(error), is_over=True)
            note = f'Only namespace "{own_namespace}" is shown: {error}'
            await _lasting(feed, _Runs(Place(place.client, own_namespace), feed, note).run)
        except TransportError:
            await _lasting(feed, _Runs(place, feed, "").run)
        return None

    return source


class _Runs:
    """The runs of a place, and which of them wait for a person."""

    def __init__(self, place: Place, feed: Feed, note: str) -> None:
        self._place, self._feed, self._note = place, feed, note
        self._runs: tuple[TaskRun, ...] | None = None
        self._asking = frozenset[tuple[str, str]]()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            ApiError: The runs may not be read.
            TransportError: The API server cannot be reached at first.
        """
        place, trouble = self._place, self._feed.complain
        requests = Watch(place, HUMAN_REQUESTS, "", self._on_requests, trouble)
        helpers = [asyncio.create_task(each) for each in (self._where_permitted(requests), self._publishing())]
        try:
            await Watch(place, TASK_RUNS, "", self._on_runs, trouble).run()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _where_permitted(self, watch: Watch[HumanRequest]) -> None:
        try:
            await watch.run()
        except (ApiError, TransportError):
            return  # the list is told without who waits for people

    def _on_runs(self, found: Mapping[str, TaskRun]) -> None:
        self._runs = tuple(found.values())
        self._changed.set()

    def _on_requests(self, found: Mapping[str, HumanRequest]) -> None:
        self._asking = frozenset(
            (each.metadata.namespace, each.spec.request.task_run_ref.name)
            for each in found.values()
            if not is_decided(each)
        )
        self._changed.set()

    async def _publishing(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._runs is not None:
                self._feed.publish(listing.parts(self._runs, self._asking, wallclock.now(), self._note))
            await SystemClock().sleep(REST_SECONDS)
