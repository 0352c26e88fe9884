"""Lists of objects: runs with how far they are and what they wait for, every other kind with the columns of kubectl."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from kubechain.api.kinds import TASK_RUN_KIND, Column, Kind
from kubechain.api.meta import StatusObject
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.views import waits
from kubechain.views.telling import agent_name
from kubechain.views.wording import between, brief, money

TEXT_CHARACTERS = 120
"""Of the last column, which is cut to the terminal's width as well."""

DETAIL_MIN_COLUMNS = 32
"""What a run waits for, or how it ended, is what people look for: it has this room even on a narrow terminal."""

LEFT_OUT = ("COST", "TOKENS", "TURNS", "AGENT")
"""Columns of runs that a narrow terminal leaves out, the first one first."""

GAP_COLUMNS = 3

Object = StatusObject[Any, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """A table.

    Attributes:
        rows: A cell is empty where there is nothing to say.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Cell:
    """A column of runs."""

    head: str
    text: Callable[[TaskRun, datetime], str]
    is_wide: bool = False


def listing(
    kind: Kind[Any],
    objects: Iterable[Object],
    now: datetime,
    *,
    everywhere: bool = False,
    wide: bool = False,
    columns: int | None = None,
) -> Listing:
    """A row for each object, in order.

    Args:
        everywhere: Whether the objects are of several namespaces.
        wide: Whether to show all columns.
        columns: Width of the terminal; None where nothing needs to fit.
    """
    cells = _run_cells(wide=wide) if kind is TASK_RUN_KIND else _cells(kind, wide=wide)
    head = ("NAMESPACE",) * everywhere + ("NAME", *(name for name, _ in cells))
    rows = [
        (each.metadata.namespace,) * everywhere + (each.metadata.name, *(text(each, now) for _, text in cells))
        for each in objects
    ]
    made = Listing(head, tuple(rows))
    return made if columns is None or wide or kind is not TASK_RUN_KIND else _fitted(made, columns)


def _fitted(whole: Listing, columns: int) -> Listing:
    """The columns that a terminal has room for."""
    lines = (whole.head, *whole.rows)
    widths = {head: max(len(line[place]) for line in lines) for place, head in enumerate(whole.head[:-1])}
    widths["NAME"] = min(widths["NAME"], columns // 3)  # a longer one is cut
    kept = [*whole.head]
    for head in LEFT_OUT:
        if sum(widths[each] + GAP_COLUMNS for each in kept[:-1]) + DETAIL_MIN_COLUMNS <= columns:
            break
        kept.remove(head)
    places = [whole.head.index(head) for head in kept]
    return Listing(tuple(kept), tuple(tuple(row[place] for place in places) for row in whole.rows))


def in_order(kind: Kind[Any], objects: Iterable[Object]) -> list[Object]:
    """Runs from the oldest to the newest; every other kind by name."""

    def key(obj: Object) -> tuple[str, str, str]:
        made = obj.metadata.creation_timestamp
        first = made.isoformat() if kind is TASK_RUN_KIND and made is not None else ""
        return first, obj.metadata.namespace, obj.metadata.name

    return sorted(objects, key=key)


_Cells = Sequence[tuple[str, Callable[[Any, datetime], str]]]


def _run_cells(*, wide: bool) -> _Cells:
    return [(each.head, each.text) for each in _OF_RUNS if wide or not each.is_wide]


def _age(obj: Object, now: datetime) -> str:
    return between(obj.metadata.creation_timestamp, None, now)


def _took(run: TaskRun, now: datetime) -> str:
    return between(run.status.start_time, run.status.completion_time, now)


def _tokens(run: TaskRun, now: datetime) -> str:
    del now
    return f"{run.status.usage.total_tokens:,}" if run.status.usage is not None else ""


def _llm(run: TaskRun, now: datetime) -> str:
    del now
    return run.status.pinned.llm_name if run.status.pinned is not None else ""


def _continues(run: TaskRun, now: datetime) -> str:
    del now
    return run.spec.continue_from.name if run.spec.continue_from is not None else ""


def _says(run: TaskRun, now: datetime) -> str:
    """What an open run waits for; how an ended one ended."""
    del now
    status = run.status
    if status.phase is TaskRunPhase.FINAL_ANSWER:
        return f"answered: {brief(status.output, TEXT_CHARACTERS)}"
    if status.is_over:
        return brief(status.error or status.status_detail, TEXT_CHARACTERS)
    return "; ".join(brief(wait.what, TEXT_CHARACTERS) for wait in waits.of_run(run, ()))


_OF_RUNS = (
    _Cell("PHASE", lambda run, _: str(run.status.phase or "")),
    _Cell("AGENT", lambda run, _: agent_name(run)),
    _Cell("LLM", _llm, is_wide=True),
    _Cell("TASK", lambda run, _: run.spec.task_ref.name if run.spec.task_ref is not None else "", is_wide=True),
    _Cell("CONTINUES", _continues, is_wide=True),
    _Cell("TURNS", lambda run, _: f"{run.status.turn:,}"),
    _Cell("TOKENS", _tokens),
    _Cell("COST", lambda run, _: money(run.status.usage.cost) if run.status.usage else ""),
    _Cell("TOOK", _took, is_wide=True),
    _Cell("AGE", _age),
    _Cell("DETAIL", _says),
)


def _cells(kind: Kind[Any], *, wide: bool) -> _Cells:
    shown = [column for column in kind.columns if wide or not column.wide]
    return [*((column.name.upper(), _reader(column)) for column in shown), ("AGE", _age)]


def _reader(column: Column) -> Callable[[Object, datetime], str]:
    path = column.json_path.strip(".").split(".")

    def read(obj: Object, now: datetime) -> str:
        value = _at(obj.to_wire(), path)
        if column.type == "date" and isinstance(value, str):
            return between(datetime.fromisoformat(value), None, now)
        return "" if value is None else brief(str(value).lower() if isinstance(value, bool) else str(value))

    return read


def _at(value: object, path: Sequence[str]) -> object:
    """What is at a path of an object; None where there is nothing."""
    for name in path:
        value = cast("Mapping[str, object]", value).get(name) if isinstance(value, Mapping) else None
    return value
