r"""Regular expressions of Go: RE2, whose time is linear in the text.

Go's package `regexp` reads the patterns of OpenAPI schemas and of CEL's `find` and `findAll` in kube-apiserver. RE2 has
the same syntax, classes such as `\p{L}` included, and the same meaning: `\d`, `\s` and `\w` are ASCII, and `$` is the
very end. Only the words of its errors differ.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, Final, Protocol, cast

import re2

_MAX_MEMORY_BYTES: Final = 64 << 20
r"""Memory limit of one expression. RE2's default of 8 MiB is too small for `\p{L}{0,1000}`, which Go accepts."""

_BYTE: Final = re.compile(r"(?<!\\)(?:\\\\)*(\\C)")
r"""`\C` matches one byte in RE2; Go has no such escape."""

_GO_WORDS: Final = {
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
}
"""RE2's errors and Go's words for them, where they differ."""


class Match(Protocol):
    """One match."""

    def __getitem__(self, group: int, /) -> str | None: ...


class Pattern(Protocol):
    """A compiled expression; `search` is what Go calls `MatchString`."""

    def search(self, text: str, /) -> Match | None: ...
    def finditer(self, text: str, /) -> Iterator[Match]: ...


class PatternError(ValueError):
    """Raised for an invalid expression; the text is Go's."""


@functools.lru_cache(maxsize=1024)
def compiled(pattern: str) -> Pattern:
    """Compile an expression.

    Raises:
        PatternError: Go would refuse it.
    """
    if found := _BYTE.search(pattern):
        raise PatternError(f"error parsing regexp: invalid escape sequence: `{found[1]}`")
    library = cast("Any", re2)
    options = library.Options()
    options.max_mem, options.log_errors = _MAX_MEMORY_BYTES, False
    try:
        return library.compile(pattern, options)
    except library.error as error:
        raise PatternError(_in_go_words(error.args[0].decode(), pattern)) from None


def _in_go_words(text: str, pattern: str) -> str:
    if text.startswith("trailing \\"):
        return "error parsing regexp: trailing backslash at end of expression: ``"
    if text.startswith("pattern too large"):
        return "error parsing regexp: expression too large"
    kind, _, part = text.partition(": ")
    if part in {"(?<!", "(?<="}:
        kind, part = "invalid named capture", _named_capture(pattern[pattern.index(part) :])
    return f"error parsing regexp: {_GO_WORDS.get(kind, kind)}: `{part}`"


def _named_capture(rest: str) -> str:
    """Return what Go parses as the name of a group: it has no look-behind."""
    end = rest.find(">")
    return rest[: end + 1] if end >= 0 else rest
