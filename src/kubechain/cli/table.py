"""Tables as kubectl prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rich.cells import cell_len, set_cell_size

from kubechain.net.foreign import harmless, one_line

CELL_CHARACTERS = 253
"""Of the longest name of an object: a name is never cut, since a program may read it from a pipe."""

GAP = "   "

NAME_MIN_COLUMNS = 20
"""A name is not cut to less than this."""

Row = Sequence[str | None]


def table(
    head: Sequence[str],
    rows: Sequence[Row],
    *,
    columns: int | None = None,
    needs: Mapping[str, int] = MappingProxyType({}),
) -> str:
    """Return lines with aligned columns; an empty cell is `-`.

    Args:
        head: The titles of the columns.
        rows: The cells.
        columns: Width of the terminal, where lines are cut; None where nothing needs to fit.
        needs: By title, the width of the narrowest terminal that shows the column.
    """
    kept = [place for place, title in enumerate(head) if columns is None or needs.get(title, 0) <= columns]
    shown = [[row[place] for place in kept] for row in (head, *cut_names(head, rows, columns))]
    widths = widths_of([str(title) for title in shown[0]], shown[1:])
    return "\n".join(written(line, widths, columns) for line in shown)


def cut_names(head: Sequence[str], rows: Sequence[Row], columns: int | None) -> list[Row]:
    """Rows whose names take a third of a terminal at most.

    They go without their middle, since what tells the runs of one Task apart is at the end.
    """
    if columns is None or "NAME" not in head:
        return list(rows)
    place, room = head.index("NAME"), max(columns // 3, NAME_MIN_COLUMNS)
    return [[*row[:place], _middle_cut(row[place] or "", room), *row[place + 1 :]] for row in rows]


def _middle_cut(name: str, characters: int) -> str:
    if len(name) <= characters:
        return name
    end = characters // 3
    return f"{name[: characters - end - 1]}…{name[-end:]}"


def widths_of(head: Sequence[str], rows: Sequence[Row]) -> list[int]:
    """How wide each column is."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    return [max(map(cell_len, column)) for column in zip(head, *cells, strict=True)]


def written(row: Row, widths: Sequence[int], columns: int | None = None) -> str:
    """One line of a table.

    Args:
        row: The cells.
        widths: Of the columns; a cell of a later line may be wider.
        columns: Where to cut the line; None for nowhere.
    """
    cells = map(_cell, row)
    line = GAP.join(
        f"{cell}{' ' * (width - cell_len(cell))}" for cell, width in zip(cells, widths, strict=True)
    ).rstrip()
    return line if columns is None or cell_len(line) <= columns else f"{set_cell_size(line, columns - 1)}…"


def _cell(cell: str | None) -> str:
    return one_line(harmless(cell or "-"), CELL_CHARACTERS)
