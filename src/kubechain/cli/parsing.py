"""Parses command lines with argparse, and writes help and errors that fit the terminal."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NoReturn

from kubechain.cli.terminal import print_error

WRONG_USAGE: Final = 2

USAGE_INDENT: Final = " " * 7
"""Of the later lines of a usage, below the first word after `usage:`."""

_EXAMPLE: Final = re.compile(r"(  \S.*?\S) {2,}(\S.*)")
"""A line of the examples with what it means."""


class Help(argparse.RawDescriptionHelpFormatter):
    """Paragraphs are filled to the width; lines that are indented, such as examples, stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(_filled(block, width, indent) for block in text.strip("\n").split("\n\n"))

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"

    def _format_usage(self, *arguments: Any, **more: Any) -> str:
        line = " ".join(super()._format_usage(*arguments, **more).split())
        return "\n".join(_packed(list(_words(line)), self._width)) + "\n\n"


def _filled(block: str, width: int, indent: str) -> str:
    lines = block.splitlines()
    if not any(line.startswith(" ") for line in lines):
        return textwrap.fill(
            " ".join(lines),
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
    is_narrow = any(len(line) > width and _EXAMPLE.fullmatch(line) for line in lines)
    return "\n".join(map(_stacked, lines) if is_narrow else lines)


def _stacked(line: str) -> str:
    """An example with what it means below it; any other line as it is."""
    return _EXAMPLE.sub(r"\1\n      \2", line) if _EXAMPLE.fullmatch(line) else line


def _words(usage: str) -> Iterator[str]:
    """The parts of a usage that stay together: a flag with its value, one alternative of several."""
    depth, word = 0, ""
    for part in usage.split(" "):
        if word and (depth == 0 or part == "|"):
            yield word
            word = part
        else:
            word = f"{word} {part}" if word else part
        depth += sum(part.count(sign) for sign in "[({") - sum(part.count(sign) for sign in "])}")
    yield word


def _packed(words: Sequence[str], width: int) -> Iterator[str]:
    """Words in lines of a width."""
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = USAGE_INDENT + word
        else:
            line = f"{line} {word}" if line else word
    yield line


class Parser(argparse.ArgumentParser):
    """A parser whose errors look like all errors of the command, and name what may have been meant."""

    def __init__(self, **settings: Any) -> None:
        """Take what argparse takes, but for the formatter."""
        super().__init__(formatter_class=Help, **settings)

    def error(self, message: str) -> NoReturn:
        """Write how the command is used and what is wrong, and exit with 2."""
        self.print_usage(sys.stderr)
        print_error(message)
        self.exit(WRONG_USAGE, f"`{self.prog} --help` explains it.\n")

    def refuse_rest(self, rest: Sequence[str]) -> NoReturn:
        """Exit with 2 because of words that fit nowhere."""
        flags = [flag for action in self._actions for flag in action.option_strings]
        self.error(f"unrecognized arguments: {' '.join(rest)}{meant(rest[0].partition('=')[0], flags)}")


def meant(word: str, known: Iterable[str]) -> str:
    """What somebody may have meant by an unknown word, for the end of an error; empty where nothing is close."""
    close = difflib.get_close_matches(word, list(known), n=2)
    return f" (did you mean {' or '.join(close)}?)" if close else ""
