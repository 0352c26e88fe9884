"""Truncates text from providers, servers, programs and libraries to fit a status, an event or a log. Pure.

This module does not remove secrets. Call `redaction` first: a secret that was truncated is no longer found.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MESSAGE_CHARACTERS = 256
"""Maximum length of foreign text inside a message of KubeChain."""

ELLIPSIS = "…"

_READ_FACTOR = 16
"""`one_line` reads this many times its limit, because it removes white space before it truncates."""

_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), ELLIPSIS),
    (re.compile(r"\b(req|resp|chatcmpl|msg)[-_][A-Za-z0-9]{6,}\b"), rf"\1_{ELLIPSIS}"),
)
"""Ids that servers generate for each request."""

_ESCAPE_SEQUENCES = re.compile(
    r"""(?x)
    \x1b\[ [0-?]* [\x20-/]* [@-~]?                 # CSI: colours, movements of the cursor
    | \x9b [0-?]* [\x20-/]* [@-~]                   # the same in one character
    | \x1b[\]PX^_] [^\x07\x1b\n]{0,4096} (?:\x07|\x1b\\)?   # OSC and others with a text: titles, links, the clipboard
    | \x1b[\x20-/]* [0-~]?                         # all others
    """
)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]")

_QUANTITY = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?:ms|s|m\d+(?:\.\d+)?s)?(?![\w-])")


def cut(text: str, characters: int = MESSAGE_CHARACTERS) -> str:
    """Truncate to a number of characters. Truncated text ends in an ellipsis, which counts towards the limit."""
    return text if len(text) <= characters else text[: characters - 1] + ELLIPSIS


def one_line(text: str, characters: int = MESSAGE_CHARACTERS) -> str:
    """Put text on one line without control characters, and truncate it."""
    return cut(printable(text[: characters * _READ_FACTOR]), characters)


def printable(text: str) -> str:
    """Replace each run of white space and control characters by one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def harmless(text: str) -> str:
    """Remove what drives or deceives a terminal: escape sequences, control characters and changes of direction.

    Line breaks and tabs stay, and so do marks that languages need: joiners, and marks of direction without a scope.
    """
    if text.isprintable():
        return text
    return _CONTROLS.sub("", _ESCAPE_SEQUENCES.sub("", text.replace("\r\n", "\n")))


def stable(text: str, *, mask_numbers: bool = False) -> str:
    """Replace the parts that differ between two attempts of the same failure, so that the status stays the same.

    Args:
        text: An error message.
        mask_numbers: Also replace numbers and durations by `N`, in addition to request ids.
    """
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return _QUANTITY.sub("N", text) if mask_numbers else text


def error_text(error: BaseException, characters: int = MESSAGE_CHARACTERS) -> str:
    """Return the type and the message of an exception, truncated."""
    return cut(f"{type(error).__name__}: {error}", characters)


def ellipsis(_left_out_bytes: int) -> str:
    """Return an ellipsis, whatever the size of the omitted part; the default note of `cut_bytes`."""
    return ELLIPSIS


def cut_bytes(text: str, limit_bytes: int, *, note: Callable[[int], str] = ellipsis) -> str:
    """Truncate to a number of bytes in UTF-8, at a character boundary; the result can always be encoded.

    Args:
        text: Any text.
        limit_bytes: Maximum size of the part that is kept, without the note.
        note: Returns the text to append after a cut, given the number of omitted bytes.
    """
    encoded = _encoded(text)
    if len(encoded) <= limit_bytes:
        return _decoded(encoded)
    head = _decoded(encoded[: max(limit_bytes, 0)])
    return head + note(len(encoded) - len(_encoded(head)))


def cut_middle(text: str, limit_bytes: int, *, note: Callable[[int], str]) -> str:
    """Keep the beginning and the end of a text, half of `limit_bytes` each, with a note on a line between them.

    The result can always be encoded.

    Args:
        text: Any text.
        limit_bytes: Maximum size of both parts together, without the note.
        note: Returns the line between the parts, given the number of omitted bytes.
    """
    encoded = _encoded(text)
    if len(encoded) <= limit_bytes:
        return _decoded(encoded)
    half = limit_bytes // 2
    head, tail = _decoded(encoded[:half]), _decoded(encoded[len(encoded) - half :])
    left_out_bytes = len(encoded) - len(_encoded(head)) - len(_encoded(tail))
    return f"{head}\n{note(left_out_bytes)}\n{tail}"


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")  # a lone surrogate cannot be encoded in UTF-8


def _decoded(part: bytes) -> str:
    return part.decode(errors="ignore")  # drops a character that was cut in two
