"""Prints lists of objects, once or as they change."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubechain.api.kinds import Kind
from kubechain.api.meta import StatusObject
from kubechain.cli import output as formats
from kubechain.cli import wallclock
from kubechain.cli.clusters import Place
from kubechain.cli.output import WIDE, print_data, print_name
from kubechain.cli.table import cut_names, widths_of, written
from kubechain.cli.terminal import columns_of, print_error
from kubechain.cli.terminal import show as show_line
from kubechain.cli.watching import Watch
from kubechain.controllers.resources import resource_of
from kubechain.runtime.clock import SystemClock
from kubechain.views.listing import in_order, listing

Object = StatusObject[Any, Any]

REST_SECONDS = 0.5
"""Between two prints of a watch: of an object that changes more often, the last state is printed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is listed.

    Attributes:
        name: Of one object; empty for all.
        selector: Labels, as kubectl's `-l`.
        output: How it is printed.
    """

    kind: Kind[Any]
    name: str
    selector: str
    output: str


async def show(place: Place, wanted: Wanted) -> None:
    """Print what there is.

    Raises:
        NotFound: There is no object of the name.
    """
    resource = resource_of(wanted.kind)
    if wanted.name:
        one = await place.client.get(resource, place.namespace or "", wanted.name)
        _print(wanted, [one], is_one=True, everywhere=False)
        return
    found = in_order(wanted.kind, await place.client.list(resource, place.namespace, label_selector=wanted.selector))
    _print(wanted, found, is_one=False, everywhere=place.namespace is None)


def _print(wanted: Wanted, found: Sequence[Object], *, is_one: bool, everywhere: bool) -> None:
    if wanted.output == formats.NAME:
        for each in found:
            print_name(wanted.kind.singular, each.metadata.name)
    elif wanted.output in (formats.JSON, formats.YAML):
        items = [each.to_wire() for each in found]
        print_data(items[0] if is_one else {"apiVersion": "v1", "kind": "List", "items": items}, wanted.output)
    elif not found:
        print(f"there are no {wanted.kind.plural}", file=sys.stderr)
    else:
        _Table(wanted, everywhere).print(found)


async def watch(place: Place, wanted: Wanted) -> None:
    """Print what there is and every change of it, until cancelled.

    Raises:
        ApiError: It may not be read.
    """
    watcher = _Watcher(wanted, everywhere=place.namespace is None)
    field = f"metadata.name={wanted.name}" if wanted.name else ""
    source = Watch(place, resource_of(wanted.kind), field, watcher.changed, print_error, label_selector=wanted.selector)
    async with asyncio.TaskGroup() as group:
        group.create_task(source.run())
        group.create_task(watcher.run())


class _Watcher:
    """Keeps what was printed, and prints what is new."""

    def __init__(self, wanted: Wanted, *, everywhere: bool) -> None:
        self._wanted = wanted
        self._table = _Table(wanted, everywhere)
        self._found: Mapping[str, Object] = {}
        self._printed: dict[str, str] = {}
        self._has_news = asyncio.Event()

    def changed(self, found: Mapping[str, Object]) -> None:
        self._found = found
        self._has_news.set()

    async def run(self) -> None:
        clock = SystemClock()
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            self._print_news()
            await clock.sleep(REST_SECONDS)

    def _print_news(self) -> None:
        versions = {key: each.metadata.resource_version for key, each in self._found.items()}
        news = [each for key, each in self._found.items() if self._printed.get(key) != versions[key]]
        self._printed = versions
        ordered = in_order(self._wanted.kind, news)
        if self._wanted.output in (formats.TEXT, WIDE):
            self._table.print(ordered)
            return
        for each in ordered:
            _print(self._wanted, [each], is_one=True, everywhere=False)


class _Table:
    """A table whose later rows keep the widths of the first ones."""

    def __init__(self, wanted: Wanted, everywhere: bool) -> None:
        self._wanted, self._everywhere = wanted, everywhere
        self._widths: Sequence[int] | None = None
        self._columns = None if wanted.output == WIDE else columns_of(sys.stdout)

    def print(self, found: Sequence[Object]) -> None:
        made = listing(
            self._wanted.kind,
            found,
            wallclock.now(),
            everywhere=self._everywhere,
            wide=self._wanted.output == WIDE,
            columns=self._columns,
        )
        rows = cut_names(made.head, made.rows, self._columns)
        if self._widths is None and found:
            self._widths = widths_of(made.head, rows)
            show_line(written(made.head, self._widths, self._columns))
        for row in rows:
            show_line(written(row, self._widths or (), self._columns))
