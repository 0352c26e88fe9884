"""Text that others wrote (providers, servers, programs, libraries), made to fit a status, an event or a log. Pure.

Length only: secrets are taken out by `redaction`, before the text is cut, so that no part of a secret stays at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MESSAGE_CHARACTERS = 256
"""Of foreign text in one of our messages."""

ELLIPSIS = "…"

_LOOKED_AT_FACTOR = 16
"""How many times the limit of characters `one_line` reads: white space goes, so the result may need more than it."""

_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), ELLIPSIS),
    (re.compile(r"\b(req|resp|chatcmpl|msg)[-_][A-Za-z0-9]{6,}\b"), rf"\1_{ELLIPSIS}"),
)
"""Ids that servers make anew for each request."""

_QUANTITY = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?:ms|s|m\d+(?:\.\d+)?s)?(?![\w-])")


def cut(text: str, characters: int = MESSAGE_CHARACTERS) -> str:
    """Truncate to a number of characters, the last of which is then an ellipsis."""
    return text if len(text) <= characters else text[: characters - 1] + ELLIPSIS


def one_line(text: str, characters: int = MESSAGE_CHARACTERS) -> str:
    """Put text on one line without control characters, and truncate it."""
    return cut(printable(text[: characters * _LOOKED_AT_FACTOR]), characters)


def printable(text: str) -> str:
    """Replace each run of white space and control characters by one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def stable(text: str, *, mask_numbers: bool = False) -> str:
    """Take out what differs between two attempts of the same failure: a status must not be rewritten for it.

    Args:
        text: An error message.
        mask_numbers: Put `N` for numbers and durations, besides taking out the ids of requests.
    """
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return _QUANTITY.sub("N", text) if mask_numbers else text


def error_text(error: BaseException, characters: int = MESSAGE_CHARACTERS) -> str:
    """Write type and message of an exception, truncated."""
    return cut(f"{type(error).__name__}: {error}", characters)


def ellipsis(_left_out_bytes: int) -> str:
    """Mark a cut without a size; a note for `cut_bytes`."""
    return ELLIPSIS


def cut_bytes(text: str, limit_bytes: int, *, note: Callable[[int], str] = ellipsis) -> str:
    """Truncate to a number of bytes in UTF-8, at the end of a character; the result can always be encoded.

    Args:
        text: Any text.
        limit_bytes: For the part that stays; the note is added to it.
        note: Makes the end of a text that was cut, from the number of bytes that were left out.
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
        limit_bytes: For both parts together; the note is added to them.
        note: Makes the line between them, from the number of bytes that were left out.
    """
    encoded = _encoded(text)
    if len(encoded) <= limit_bytes:
        return _decoded(encoded)
    half = limit_bytes // 2
    head, tail = _decoded(encoded[:half]), _decoded(encoded[len(encoded) - half :])
    left_out_bytes = len(encoded) - len(_encoded(head)) - len(_encoded(tail))
    return f"{head}\n{note(left_out_bytes)}\n{tail}"


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")  # half of a surrogate pair has no form in UTF-8


def _decoded(part: bytes) -> str:
    return part.decode(errors="ignore")  # characters that were cut in two
