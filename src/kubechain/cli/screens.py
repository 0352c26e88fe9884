"""Shows stories: in colour on a terminal and no wider than it, plain and uncut in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from kubechain.cli.terminal import columns_of, has_colour
from kubechain.net.foreign import harmless
from kubechain.views.lines import Line, Tone
from kubechain.views.trees import Row

PIPE_COLUMNS = 10_000
"""Of what is no terminal: nothing is cut or wrapped there."""

NARROW_COLUMNS, SMALL_COLUMNS = 100, 70
"""Below these widths a tree leaves out the cost, and then all numbers."""

LABEL_COLUMNS, TIME_COLUMNS, GAP_COLUMNS = 18, 8, 3
TEXT_MIN_COLUMNS = 20
INDENT = "  "

STYLES = {
    Tone.PLAIN: "",
    Tone.QUIET: "dim",
    Tone.GOOD: "green",
    Tone.BAD: "red",
    Tone.WAITING: "yellow",
}


def screen(stream: TextIO | None = None, *, columns: int | None = None) -> Console:
    """A console for a stream.

    Args:
        stream: None for standard output.
        columns: None for the terminal's own.
    """
    out = sys.stdout if stream is None else stream
    width = columns or columns_of(out) or PIPE_COLUMNS
    return Console(
        file=out,
        width=width,
        no_color=not has_colour(out),
        color_system="auto" if has_colour(out) else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def show_lines(console: Console, lines: Iterable[Line]) -> None:
    """Print lines one below the other: time, who, what."""
    for line in lines:
        for text in _wrapped(console, line):
            console.print(text, soft_wrap=True)


def _wrapped(console: Console, line: Line) -> Sequence[Text]:
    """A line in as many lines as it takes; the label and the time stand before the first."""
    time = line.at.astimezone().strftime("%H:%M:%S") if line.at is not None else ""
    label = f"{INDENT * line.depth}{line.label}"
    head = f"{time:<{TIME_COLUMNS}}  {label:<{LABEL_COLUMNS}} "
    left = max(console.width - len(head), TEXT_MIN_COLUMNS)
    style = STYLES[line.tone]
    parts = [
        part for each in harmless(line.text).splitlines() or [""] for part in Text(each, style).wrap(console, left)
    ]
    shown = [Text.assemble((head if not index else " " * len(head), "bold"), part) for index, part in enumerate(parts)]
    return [*shown, *(_command(each, len(head), console.width, style) for each in line.commands)]


def _command(command: str, indent: int, columns: int, style: str) -> Text:
    """A command below the text, further to the left where it is long: it is copied, so it stays on one line."""
    return Text.assemble(" " * max(min(indent, columns - len(command)), 0), (command, style))


def tree(rows: Sequence[Row], console: Console) -> RenderableType:
    """A tree of runs and calls, with as many columns as the width has room for; the names are cut first."""
    columns = [_PHASE, _TOOK]
    columns += [_TURNS, _TOKENS] if console.width >= SMALL_COLUMNS else []
    columns += [_COST] if console.width >= NARROW_COLUMNS else []
    cells = [[column.cell(row) for column in columns] for row in rows]
    widths = [max(map(len, each)) for each in zip([column.head for column in columns], *cells, strict=True)]
    left = console.width - sum(widths) - GAP_COLUMNS * len(widths)
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, GAP_COLUMNS, 0, 0), header_style="bold")
    table.add_column("NAME", no_wrap=True, overflow="ellipsis", max_width=max(left, TEXT_MIN_COLUMNS))
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column.head, no_wrap=True, min_width=width, justify=column.justify)
    guides = _UNICODE if (console.encoding or "").lower().startswith("utf") else _ASCII
    for row, (phase, *others) in zip(rows, cells, strict=True):
        name = Text.assemble((_stem(row.stems, guides), "dim"), harmless(row.name))
        table.add_row(name, Text(phase, STYLES[row.tone]), *others)
    return table


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the tree, but for that of the names."""

    head: str
    cell: Callable[[Row], str]
    justify: Literal["left", "right"] = "left"


_PHASE = _Column("PHASE", lambda row: row.phase)
_TOOK = _Column("TOOK", lambda row: row.took or "-")
_TURNS = _Column("TURNS", lambda row: _number(row.turns), "right")
_TOKENS = _Column("TOKENS", lambda row: _number(row.tokens), "right")
_COST = _Column("COST", lambda row: row.cost, "right")

_UNICODE = ("├─ ", "└─ ", "│  ", "   ")
_ASCII = ("+- ", "`- ", "|  ", "   ")


def _stem(stems: Sequence[bool], guides: Sequence[str]) -> str:
    """The guides before a name."""
    branch, last, bar, gap = guides
    if not stems:
        return ""
    above = "".join(gap if is_last else bar for is_last in stems[:-1])
    return above + (last if stems[-1] else branch)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def show(console: Console, *parts: RenderableType) -> None:
    """Print parts below each other, without blanks at the ends of lines."""
    with console.capture() as capture:
        console.print(Group(*parts))
    for line in capture.get().splitlines():
        console.file.write(f"{line.rstrip()}\n")
    console.file.flush()
