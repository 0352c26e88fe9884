"""Follows a run and the runs below it, as they go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.cli.clusters import Place
from kubechain.cli.expecting import expect
from kubechain.cli.gathering import OF_CALLS, OF_REQUESTS, read_chunks, read_run
from kubechain.cli.shelf import Shelf
from kubechain.cli.terminal import Failure
from kubechain.cli.watching import Watch
from kubechain.controllers.resources import HUMAN_REQUESTS, TASK_RUNS, TOOL_CALLS
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import Forbidden, NotFound
from kubechain.views.story import Story
from kubechain.views.telling import story_of

REST_SECONDS = 0.2
"""Between two stories: changes that come together are told together."""

Seen = Callable[[Story], bool]
"""Is given each new story; True ends the following."""


async def follow(place: Place, name: str, seen: Seen, on_trouble: Callable[[str], None]) -> Story:
    """Call `seen` with the story of a run each time that something changes; return the last one.

    Ends when the run is over, and when `seen` has seen enough. The first run of a Task that has not made it yet is
    waited for.

    Raises:
        ApiError: The run cannot be read, or there is none, and no Task that will make it.
        Failure: The run was deleted.
    """
    follower = _Follower(place, name, on_trouble)
    try:
        return await follower.run(seen)
    finally:
        await follower.close()


class _Follower:
    """The watches of a tree of runs: three for each run that is not over."""

    def __init__(self, place: Place, name: str, on_trouble: Callable[[str], None]) -> None:
        self._place, self._name, self._on_trouble = place, name, on_trouble
        self._shelf = Shelf()
        self._changed = asyncio.Event()
        self._is_deleted = False
        self._watches: dict[str, list[asyncio.Task[None]]] = {}

    async def run(self, seen: Seen) -> Story:
        await self._begin()
        while True:
            story = await self._story()
            if seen(story) or story.is_over:
                return story
            await self._next()

    async def _begin(self) -> None:
        try:
            await read_run(self._place, self._name, self._shelf)
        except NotFound:
            await expect(self._place, self._name, self._on_trouble)
            await read_run(self._place, self._name, self._shelf)

    async def close(self) -> None:
        await self._stop([task for tasks in self._watches.values() for task in tasks])

    async def _story(self) -> Story:
        """The story as it is now; the runs in it that are not over are watched from here on."""
        for name in [name for name in self._watches if _is_over(self._shelf.runs.get(name))]:
            await self._stop(self._watches.pop(name))
            await self._read(name)  # watches of several kinds are not in step: this is its last state
        for run in list(self._shelf.runs.values()):
            await read_chunks(self._place, run, self._shelf)
        self._watch_open_runs()
        return story_of(self._shelf.gathered(self._name))

    async def _read(self, name: str) -> None:
        try:
            await read_run(self._place, name, self._shelf)
        except NotFound:
            return

    def _watch_open_runs(self) -> None:
        wanted = [self._name, *(child for run in self._shelf.runs for _, child in self._shelf.children(run))]
        for name in wanted:
            if name not in self._watches and not _is_over(self._shelf.runs.get(name)):
                self._watches[name] = [asyncio.create_task(watch) for watch in self._watches_of(name)]

    def _watches_of(self, name: str) -> list[Coroutine[Any, Any, None]]:
        def runs(found: Mapping[str, TaskRun]) -> None:
            self._is_deleted = self._is_deleted or (name == self._name and not found)
            self._shelf.runs.update(found)
            self._changed.set()

        def calls(found: Mapping[str, TaskRunToolCall]) -> None:
            self._shelf.calls[name] = tuple(found.values())
            self._changed.set()

        def requests(found: Mapping[str, HumanRequest]) -> None:
            self._shelf.requests[name] = tuple(found.values())
            self._changed.set()

        place, trouble = self._place, self._on_trouble
        return [
            Watch(place, TASK_RUNS, f"metadata.name={name}", runs, trouble).run(),
            self._where_permitted(Watch(place, TOOL_CALLS, f"{OF_CALLS}={name}", calls, trouble), name),
            self._where_permitted(Watch(place, HUMAN_REQUESTS, f"{OF_REQUESTS}={name}", requests, trouble), name),
        ]

    async def _where_permitted(self, watch: Watch[Any], name: str) -> None:
        """Go without what the user may not watch: the story has a gap there."""
        try:
            await watch.run()
        except Forbidden as error:
            self._shelf.missed(name, "A part of the run", str(error))
            await asyncio.Event().wait()

    async def _next(self) -> None:
        """Wait for a change, and a moment more for those that come with it.

        Raises:
            ApiError: A watch cannot go on.
            Failure: The run was deleted.
        """
        change = asyncio.create_task(self._changed.wait())
        try:
            tasks = [task for tasks in self._watches.values() for task in tasks]
            ended, _ = await asyncio.wait({change, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
        for task in ended - {change}:
            await task  # raises what ended it
        await SystemClock().sleep(REST_SECONDS)
        self._changed.clear()
        if self._is_deleted:
            raise Failure(f"taskrun/{self._name} was deleted")

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_over(run: TaskRun | None) -> bool:
    return run is not None and run.status.is_over
