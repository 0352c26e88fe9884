"""A small terminal: turns what programs write into lines with colours, for the sequences that bash and rich use."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

_TOKEN: Final = re.compile(
    r"\x1b\[(?P<arguments>[0-9;?]*)(?P<verb>[A-Za-z])|\x1b\][^\x07]*\x07|\x1b[=>]|(?P<sign>[\r\n\b\t\x07])"
    r"|(?P<text>[^\x1b\r\n\b\t\x07]+)"
)
_UNFINISHED: Final = re.compile(r"\x1b(\[[0-9;?]*|\][^\x07]*)?$")

COLOURS: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")

TAB_COLUMNS: Final = 8


@dataclass(frozen=True, slots=True)
class Style:
    """How a character is drawn.

    Attributes:
        colour: One of `COLOURS`; empty for the terminal's own.
    """

    colour: str = ""
    is_bold: bool = False
    is_dim: bool = False


PLAIN: Final = Style()


@dataclass(frozen=True, slots=True)
class Run:
    """Characters of one style, side by side."""

    column: int
    text: str
    style: Style


Line = tuple[Run, ...]

Cell = tuple[str, Style]

_BLANK: Final[Cell] = (" ", PLAIN)


class Screen:
    """What is shown."""

    def __init__(self, columns: int, rows: int) -> None:
        """Begin empty."""
        self._columns, self._rows = columns, rows
        self._cells = [self._empty() for _ in range(rows)]
        self._row = self._column = 0
        self._style = PLAIN
        self._rest = ""

    def feed(self, text: str) -> None:
        """Take what a program writes; a sequence may be cut anywhere."""
        text = self._rest + text
        unfinished = _UNFINISHED.search(text)
        self._rest = unfinished[0] if unfinished else ""
        for token in _TOKEN.finditer(text.removesuffix(self._rest) if self._rest else text):
            if token["verb"]:
                self._command(token["verb"], token["arguments"])
            elif token["sign"]:
                self._control(token["sign"])
            elif token["text"]:
                self._write(token["text"])

    def lines(self) -> tuple[Line, ...]:
        """The rows from the top."""
        return tuple(_runs(row) for row in self._cells)

    def _empty(self) -> list[Cell]:
        return [_BLANK] * self._columns

    def _write(self, text: str) -> None:
        for character in text:
            if self._column == self._columns:
                self._column = 0
                self._down()
            self._cells[self._row][self._column] = (character, self._style)
            self._column += 1

    def _down(self) -> None:
        if self._row < self._rows - 1:
            self._row += 1
            return
        self._cells = [*self._cells[1:], self._empty()]

    def _control(self, sign: str) -> None:
        match sign:
            case "\r":
                self._column = 0
            case "\n":
                self._down()
            case "\b":
                self._column = max(self._column - 1, 0)
            case "\t":
                self._column = min((self._column // TAB_COLUMNS + 1) * TAB_COLUMNS, self._columns - 1)
            case _:
                pass  # the bell

    def _command(self, verb: str, arguments: str) -> None:
        numbers = [int(each) for each in arguments.lstrip("?").split(";") if each]
        first = numbers[0] if numbers else 0
        match verb:
            case "m":
                self._paint(numbers or [0])
            case "A":
                self._row = max(self._row - max(first, 1), 0)
            case "H":
                self._row, self._column = 0, 0
            case "J":
                self._cells = [self._empty() for _ in range(self._rows)]
            case "K":
                kept = 0 if first == 2 else self._column
                row = self._cells[self._row]
                self._cells[self._row] = [*row[:kept], *self._empty()[kept:]]
            case _:
                pass  # modes, such as whether the cursor is shown

    def _paint(self, numbers: list[int]) -> None:
        for number in numbers:
            self._style = _painted(self._style, number)


def _painted(style: Style, number: int) -> Style:
    match number:
        case 0:
            return PLAIN
        case 1:
            return replace(style, is_bold=True)
        case 2:
            return replace(style, is_dim=True)
        case 22:
            return replace(style, is_bold=False, is_dim=False)
        case 39:
            return replace(style, colour="")
        case number if 30 <= number <= 37:
            return replace(style, colour=COLOURS[number - 30])
        case number if 90 <= number <= 97:
            return replace(style, colour=COLOURS[number - 90])
        case _:
            return style


def _runs(row: list[Cell]) -> Line:
    """The characters of a row by style, without the blanks at its end."""
    end = next((place + 1 for place in reversed(range(len(row))) if row[place][0] != " "), 0)
    found: list[Run] = []
    for column, (character, style) in enumerate(row[:end]):
        if found and found[-1].style == style:
            found[-1] = replace(found[-1], text=found[-1].text + character)
        else:
            found.append(Run(column, character, style))
    return tuple(found)
