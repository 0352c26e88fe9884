"""Where the feeds come from: watches of the API server, as the user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
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


def of_list(places: Sequence[Place], own_namespace: str) -> Source:
    """All runs that the user may see: those of all namespaces, or of their own where that is forbidden.

    Args:
        places: One for all namespaces, or one for each that was asked for; what may not be read of these is noted.
    """

    async def source(feed: Feed) -> None:
        runs = _Runs(feed)
        publishing = asyncio.create_task(runs.publishing())
        try:
            errors = await asyncio.gather(*(_followed(runs, place, own_namespace) for place in places))
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
        feed.complain("; ".join(dict.fromkeys(map(str, errors))), is_over=True)

    return source


async def _followed(runs: _Runs, place: Place, own_namespace: str) -> ApiError:
    """Follow the runs of a place for as long as they may be read; say why they may not be."""
    error = await runs.follow(place)
    if place.namespace is None and isinstance(error, Forbidden):
        runs.note(f'Only namespace "{own_namespace}" is shown: {error}')
        return await runs.follow(Place(place.client, own_namespace))
    runs.note(f'Namespace "{place.namespace}" is not shown: {error}')
    return error


class _Runs:
    """The runs of some places, and which of them wait for a person."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._runs: dict[str | None, tuple[TaskRun, ...]] = {}
        self._asking: dict[str | None, frozenset[tuple[str, str]]] = {}
        self._notes: list[str] = []
        self._changed = asyncio.Event()

    def note(self, text: str) -> None:
        """Say what is not shown, and why."""
        self._notes.append(text)
        self._changed.set()

    async def follow(self, place: Place) -> ApiError:
        """Watch the runs of one place; return what forbids it."""
        failures = 0
        while True:
            try:
                await self._watched(place)
            except TransportError as error:
                failures += 1
                self._feed.complain(str(error))
                await SystemClock().sleep(REOPEN.seconds(failures))
            except ApiError as error:
                return error

    async def _watched(self, place: Place) -> None:
        """Watch until cancelled.

        Raises:
            ApiError: The runs may not be read.
            TransportError: The API server cannot be reached at first.
        """

        def runs(found: Mapping[str, TaskRun]) -> None:
            self._runs[place.namespace] = tuple(found.values())
            self._changed.set()

        def requests(found: Mapping[str, HumanRequest]) -> None:
            self._asking[place.namespace] = _asking(found.values())
            self._changed.set()

        trouble = self._feed.complain
        helper = asyncio.create_task(_where_permitted(Watch(place, HUMAN_REQUESTS, "", requests, trouble)))
        try:
            await Watch(place, TASK_RUNS, "", runs, trouble).run()
        finally:
            helper.cancel()
            await asyncio.gather(helper, return_exceptions=True)

    async def publishing(self) -> None:
        """Publish what has changed, until cancelled; nothing before the first runs are known."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._runs:
                self._publish()
            await SystemClock().sleep(REST_SECONDS)

    def _publish(self) -> None:
        runs = [run for each in self._runs.values() for run in each]
        asking = frozenset[tuple[str, str]]().union(*self._asking.values())
        self._feed.publish(listing.parts(runs, asking, wallclock.now(), "; ".join(self._notes)))


def _asking(requests: Iterable[HumanRequest]) -> frozenset[tuple[str, str]]:
    """Namespace and name of the runs that wait for a person."""
    return frozenset(
        (each.metadata.namespace, each.spec.request.task_run_ref.name) for each in requests if not is_decided(each)
    )


async def _where_permitted(watch: Watch[HumanRequest]) -> None:
    try:
        await watch.run()
    except (ApiError, TransportError):
        return  # the list is told without who waits for people
