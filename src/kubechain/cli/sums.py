"""Prints who spends what, once or as it changes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.live import Live
from rich.text import Text

from kubechain.api.taskrun import TaskRun
from kubechain.cli import screens
from kubechain.cli.clusters import Place
from kubechain.cli.output import TEXT, print_data
from kubechain.cli.table import table
from kubechain.cli.terminal import columns_of, print_error
from kubechain.cli.terminal import show as show_line
from kubechain.cli.watching import Watch
from kubechain.controllers.resources import TASK_RUNS
from kubechain.runtime.clock import SystemClock
from kubechain.views.plain import plain
from kubechain.views.shares import Share, shares
from kubechain.views.wording import money

REST_SECONDS = 1.0
"""Between two prints of a watch: sums of many runs change all the time, and are read slowly."""

NEEDS = {"CANCELLED": 90, "TURNS": 75}
"""Widths of the narrowest terminals that show these columns."""

NO_RUNS = "there are no runs"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is summed up.

    Attributes:
        by: `agent`, `llm` or `namespace`.
        output: How it is printed.
    """

    by: str
    output: str


async def show(place: Place, wanted: Wanted) -> None:
    """Print the sums of the runs that there are."""
    _print(shares(await place.client.list(TASK_RUNS, place.namespace), wanted.by), wanted)


async def watch(place: Place, wanted: Wanted) -> None:
    """Print the sums and go on as they change, until cancelled: on a terminal in the same place, else below.

    Raises:
        ApiError: The runs may not be read.
    """
    found = dict[str, TaskRun]()
    changed = asyncio.Event()

    def take(runs: Mapping[str, TaskRun]) -> None:
        found.clear()
        found.update(runs)
        changed.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(Watch(place, TASK_RUNS, "", take, print_error).run())
        group.create_task(_print_changes(found, changed, wanted))


async def _print_changes(found: Mapping[str, TaskRun], changed: asyncio.Event, wanted: Wanted) -> None:
    last: list[Share] | None = None
    with _printer(wanted) as show_sums:
        while True:
            await changed.wait()
            changed.clear()
            sums = shares(found.values(), wanted.by)
            if sums != last:
                show_sums(sums)
            last = sums
            await SystemClock().sleep(REST_SECONDS)


@contextmanager
def _printer(wanted: Wanted) -> Generator[Callable[[list[Share]], None]]:
    """What shows new sums: in place of the last ones on a terminal, where they are a table."""
    console = screens.screen()
    if wanted.output != TEXT or not console.is_terminal:
        yield lambda sums: _print(sums, wanted)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        yield lambda sums: live.update(Text(_table(sums, wanted.by) if sums else NO_RUNS), refresh=True)


def _print(sums: list[Share], wanted: Wanted) -> None:
    if wanted.output != TEXT:
        print_data(plain(sums), wanted.output)
    elif not sums:
        print(NO_RUNS, file=sys.stderr)
    else:
        show_line(_table(sums, wanted.by))


def _table(sums: list[Share], by: str) -> str:
    head = [by.upper(), "OPEN", "ANSWERED", "FAILED", "CANCELLED", "TURNS", "TOKENS", "COST"]
    rows = [
        [
            each.name,
            *(str(count) for count in (each.open, each.answered, each.failed, each.cancelled)),
            f"{each.spent.turns:,}",
            f"{each.spent.total_tokens:,}",
            money(each.spent.cost),
        ]
        for each in sums
    ]
    return table(head, rows, columns=columns_of(sys.stdout), needs=NEEDS)
