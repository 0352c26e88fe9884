"""How the benches show what they measured: a table, and the machine's load around it."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

Row = tuple[str, str, str]
"""Title, name of the figure, and its format."""


@contextmanager
def load_shown() -> Generator[None]:
    """Say how busy the machine is before and after: figures mean little where it is not quiet."""
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start")
    yield
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


def show_table(results: Mapping[str, Any], rows: Sequence[Row], *, title_width: int, column_width: int) -> None:
    """A row for each figure, a column for each result."""
    print(" " * title_width + "".join(f"{name:>{column_width}}" for name in results))
    for title, field, form in rows:
        values = (form.format(getattr(figures, field)) for figures in results.values())
        print(f"{title:{title_width}}" + "".join(f"{value:>{column_width}}" for value in values))
