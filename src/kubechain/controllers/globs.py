"""Names in which `*` stands for any text and `?` for one character: what policies and servers select tools by. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

CACHE_SIZE = 1024
"""Number of compiled patterns to cache."""


def matches_any(globs: Iterable[str], name: str) -> bool:
    """Whether one of the globs describes the whole name."""
    return any(_compiled(glob).fullmatch(name) for glob in globs)


@lru_cache(maxsize=CACHE_SIZE)
def _compiled(glob: str) -> re.Pattern[str]:
    """A glob as a regular expression; repeated stars are one, so that no name takes long to match."""
    parts = {"*": ".*", "?": "."}
    collapsed = re.sub(r"\*+", "*", glob)
    return re.compile("".join(parts.get(character, re.escape(character)) for character in collapsed), re.DOTALL)
