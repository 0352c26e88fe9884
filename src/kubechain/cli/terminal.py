"""Output to the terminal: coloured on a terminal, plain in a pipe; errors go to standard error."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

BOLD, CYAN, DIM, GREEN, RED, YELLOW = "\033[1m", "\033[36m", "\033[2m", "\033[32m", "\033[31m", "\033[33m"
PLAIN = "\033[0m"

STARTED_AT = time.monotonic()
"""About when the process was started: this module is one of the first to be imported."""


class Failure(Exception):
    """Ends the command; raised for failures that the user can correct.

    The message names what failed, the input and what to do, in one or a few lines without a traceback.
    """

    def __init__(self, message: str, *, status: int = 1) -> None:
        """Keep the exit status; 2 is for a wrong command line."""
        super().__init__(message)
        self.status = status


def has_colour(stream: TextIO) -> bool:
    """Whether to use colours: on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def paint(code: str, text: str, stream: TextIO) -> str:
    """The text in that colour, if the stream shows colours."""
    return f"{code}{text}{PLAIN}" if has_colour(stream) else text


def print_error(text: str) -> None:
    """Write an error to standard error."""
    print(f"{paint(RED, 'error:', sys.stderr)} {text}", file=sys.stderr)


def show(text: str = "") -> None:
    """Write a line to standard output and flush, so that it keeps its order with standard error."""
    print(text, flush=True)
