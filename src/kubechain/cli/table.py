"""Tables as kubectl prints them."""

from __future__ import annotations

from collections.abc import Sequence

from kubechain.net.foreign import harmless, one_line

CELL_CHARACTERS = 60


def table(head: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
    """Return lines with aligned columns; an empty cell is `-`, and a long one is truncated."""
    cells = [[one_line(harmless(cell or "-"), CELL_CHARACTERS) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    lines = (zip(line, widths, strict=True) for line in (head, *cells))
    return "\n".join("   ".join(cell.ljust(width) for cell, width in line).rstrip() for line in lines)
