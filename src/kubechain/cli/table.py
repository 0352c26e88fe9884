"""Tables as kubectl prints them."""

from __future__ import annotations

from collections.abc import Sequence

from kubechain.net.foreign import harmless, one_line

CELL_CHARACTERS = 60

GAP = "   "


def table(head: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
    """Return lines with aligned columns; an empty cell is `-`, and a long one is truncated."""
    widths = widths_of(head, rows)
    return "\n".join(written(line, widths) for line in (head, *rows))


def widths_of(head: Sequence[str], rows: Sequence[Sequence[str | None]]) -> list[int]:
    """How wide each column is."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    return [max(map(len, column)) for column in zip(head, *cells, strict=True)]


def written(row: Sequence[str | None], widths: Sequence[int], columns: int | None = None) -> str:
    """One line of a table.

    Args:
        columns: Where to cut the line; None for nowhere.
    """
    cells = (_cell(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
    line = GAP.join(cells).rstrip()
    return line if columns is None or len(line) <= columns else f"{line[: columns - 1]}…"


def _cell(cell: str | None) -> str:
    return one_line(harmless(cell or "-"), CELL_CHARACTERS)
