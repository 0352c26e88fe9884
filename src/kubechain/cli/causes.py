"""The single exceptions behind a failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast


def leaves(error: Exception) -> Iterator[Exception]:
    """The exceptions of a group, at any depth; a plain exception itself."""
    if isinstance(error, ExceptionGroup):
        for inner in cast("ExceptionGroup[Exception]", error).exceptions:
            yield from leaves(inner)
    else:
        yield error
