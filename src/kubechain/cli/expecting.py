"""Waits for the first run of a Task: who applies a Task and names its run at once comes before the manager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from kubechain.api.conditions import RUN_CREATED, is_true
from kubechain.api.names import task_run_name
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun
from kubechain.cli.clusters import Place
from kubechain.cli.watching import Watch
from kubechain.controllers.resources import TASK_RUNS, TASKS
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import Forbidden, NotFound

TOLD_AFTER_SECONDS = 2.0
"""A manager at work makes a run sooner; nothing is said until then."""


async def expect(place: Place, name: str, on_trouble: Callable[[str], None]) -> None:
    """Wait for a run that is not there, if it is the first of a Task that has not made it yet; else return at once.

    Reading the run again tells which: there is none where nobody will make it.

    Args:
        on_trouble: Called with what is waited for, once it takes long.

    Raises:
        ApiError: The Task cannot be read, or one of the two cannot be watched.
    """
    task = name.removesuffix(task_run_name("", 1))
    if task == name or not await _will_make(place, task):
        return
    ended = asyncio.Event()

    def runs(found: Mapping[str, TaskRun]) -> None:
        if found:
            ended.set()

    def tasks(found: Mapping[str, Task]) -> None:
        if not any(map(_is_unbegun, found.values())):
            ended.set()

    async def tell() -> None:
        await SystemClock().sleep(TOLD_AFTER_SECONDS)
        on_trouble(f"task/{task} has not made taskrun/{name} yet: is the manager running?")
        await ended.wait()

    watches: list[Watch[Any]] = [
        Watch(place, TASK_RUNS, f"metadata.name={name}", runs, on_trouble),
        Watch(place, TASKS, f"metadata.name={task}", tasks, on_trouble),
    ]
    helpers = [asyncio.create_task(each) for each in (ended.wait(), tell(), *(watch.run() for watch in watches))]
    try:
        done, _ = await asyncio.wait(helpers, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
    for helper in done:
        await helper  # raises what ended a watch


async def _will_make(place: Place, task: str) -> bool:
    try:
        return _is_unbegun(await place.client.get(TASKS, place.namespace or "", task))
    except (NotFound, Forbidden):
        return False


def _is_unbegun(task: Task) -> bool:
    return task.metadata.deletion_timestamp is None and not is_true(task.status.conditions, RUN_CREATED)
