"""What people see: colour where somebody watches, plain text in a pipe, errors on standard error."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

BOLD, CYAN, DIM, GREEN, RED, YELLOW = "\033[1m", "\033[36m", "\033[2m", "\033[32m", "\033[31m", "\033[33m"
PLAIN = "\033[0m"

STARTED_AT = time.monotonic()
"""About when the command was started: this module is one of the first to be imported."""


class Failure(Exception):
    """Ends the command with status 1; raised for what the person at the keyboard can put right.

    The message says what failed, about which input, and what to do, in one or a few lines without a traceback.
    """


def has_colour(stream: TextIO) -> bool:
    """Whether to colour: on a terminal, unless https://no-color.org is honoured by the environment."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def paint(code: str, text: str, stream: TextIO) -> str:
    """The text in that colour, if the stream shows colours."""
    return f"{code}{text}{PLAIN}" if has_colour(stream) else text


def complain(text: str) -> None:
    """Write an error to standard error."""
    print(f"{paint(RED, 'error:', sys.stderr)} {text}", file=sys.stderr)


def show(text: str = "") -> None:
    """Write a line to standard output at once, in step with what is written to standard error."""
    print(text, flush=True)
