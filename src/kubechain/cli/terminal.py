"""Output to the terminal: coloured on a terminal, plain in a pipe; errors go to standard error."""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
import textwrap
import time
from pathlib import Path
from typing import Final, TextIO

BOLD, CYAN, DIM, GREEN, RED, YELLOW = "\033[1m", "\033[36m", "\033[2m", "\033[32m", "\033[31m", "\033[33m"
PLAIN = "\033[0m"

STARTED_AT = time.monotonic()
"""About when the process was started: this module is one of the first to be imported."""

DUMB_TERMINALS: Final = frozenset({"dumb", "unknown"})
"""Values of TERM for terminals without colours and without a cursor that moves."""

SUBSTITUTES: Final = {
    "…": "~", "•": "*", "·": "*", "→": ">", "←": "<", "↳": ">", "─": "-", "│": "|", "├": "+", "└": "`",
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "–": "-", "—": "-",  # noqa: RUF001  these are the ones
}  # fmt: skip
"""Written in place of characters that the encoding of a stream lacks; one for one, so that columns stay aligned."""

_ERRORS: Final = "kubechain-substitute"

MIN_WRAP_COLUMNS: Final = 40
"""Text is wrapped to no less than this, however narrow the terminal is."""


class Failure(Exception):
    """Ends the command; raised for failures that the user can correct.

    The message names what failed, the input and what to do, in one or a few lines without a traceback.
    """

    def __init__(self, message: str, *, status: int = 1) -> None:
        """Keep the exit status; 2 is for a wrong command line."""
        super().__init__(message)
        self.status = status


def has_colour(stream: TextIO) -> bool:
    """Whether to use colours: on a terminal that has them, unless NO_COLOR is set (https://no-color.org)."""
    return is_drawn_on(stream) and not os.environ.get("NO_COLOR")


def is_drawn_on(stream: TextIO) -> bool:
    """Whether a stream is a terminal that takes escape sequences."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in DUMB_TERMINALS


def columns_of(stream: TextIO) -> int | None:
    """Width of the terminal that a stream is; None for what is no terminal, where nothing needs to fit."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def takes_unicode(stream: TextIO) -> bool:
    """Whether every character can be written to a stream as it is."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "").startswith("utf")


def substitute_unencodable() -> None:
    """Let standard output and standard error take any text: what their encoding lacks is substituted.

    A console with a code page such as cp1252 has no guides of trees, and a model may answer in any script.
    """
    codecs.register_error(_ERRORS, _substituted)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def _substituted(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    return "".join(SUBSTITUTES.get(character, "?") for character in part), error.end


def paint(code: str, text: str, stream: TextIO) -> str:
    """The text in that colour, if the stream shows colours."""
    return f"{code}{text}{PLAIN}" if has_colour(stream) else text


def wrapped(text: str, stream: TextIO, *, head: str = "", indent: str = "") -> str:
    """Text in lines no wider than a terminal; one line in a pipe, where a program may look for it.

    Args:
        text: One paragraph.
        stream: Where it is written.
        head: Stands before the first line.
        indent: Stands before all other lines.
    """
    columns = columns_of(stream)
    if columns is None:
        return head + text
    return textwrap.fill(
        text,
        max(columns, MIN_WRAP_COLUMNS),
        initial_indent=head,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def unread(source: str, path: Path, error: OSError | ValueError) -> Failure:
    """The failure of a file that the command line names.

    Args:
        source: The flag that names it, or what it should have been.
        path: As it was given.
        error: Why it cannot be read.
    """
    why = error.strerror if isinstance(error, OSError) else str(error)
    return Failure(f'{source}: cannot read "{path}": {why}', status=2)


def print_error(text: str) -> None:
    """Write an error to standard error."""
    print(f"{paint(RED, 'error:', sys.stderr)} {text}", file=sys.stderr)


def show(text: str = "") -> None:
    """Write a line to standard output and flush, so that it keeps its order with standard error."""
    print(text, flush=True)
