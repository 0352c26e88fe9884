"""Patterns for names in specs: `*` stands for any text, `?` for one character, and all else for itself.

Not the patterns of a shell: `[`, `{` and `!` mean nothing special, since names may contain them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from kubechain.api.schema import NOT_BLANK, Schema

Glob = Annotated[str, Schema(min_length=1, max_length=256, pattern=NOT_BLANK)]
"""A name in which `*` stands for any text and `?` for one character."""


def matches_any(globs: Iterable[str], name: str) -> bool:
    """Whether one of the globs stands for the whole name."""
    return any(matches(glob, name) for glob in globs)


def matches(glob: str, name: str) -> bool:
    """Whether the glob stands for the whole name; upper and lower case are different.

    The text between two `*` is looked for from left to right and never again, so that the time is at most the product
    of both lengths. A regular expression could take exponentially longer, on names that come from any server.
    """
    first, *others = glob.split("*")
    if not others:
        return len(name) == len(first) and _is_at(first, name, 0)
    *between, last = others
    end = len(name) - len(last)
    if end < len(first) or not (_is_at(first, name, 0) and _is_at(last, name, end)):
        return False
    at = len(first)
    for piece in between:
        found = next((start for start in range(at, end - len(piece) + 1) if _is_at(piece, name, start)), None)
        if found is None:
            return False
        at = found + len(piece)
    return True


def _is_at(piece: str, name: str, start: int) -> bool:
    """Whether the name has this piece, which has no `*`, at that place."""
    return all(wanted in ("?", there) for wanted, there in zip(piece, name[start : start + len(piece)], strict=True))
