"""Picks the lines of a child's stderr that say why it does not work. Pure.

The last line is rarely the cause: npm ends with the path of its log, uv with a hint, Node with its version. The first
line that reads like an error usually is.
"""

from __future__ import annotations

import re

from kubechain.net import foreign

_KEPT_LINES = 3
"""How many lines are shown: the first error and what follows it, or the last lines when none reads like an error."""

_KEPT_CHARACTERS = 600

_FRAME = re.compile(r"^[\s|+\u00d7╰─▶├│>-]*")
"""What draws a frame or a tree: before lines of uv, and in tracebacks of exception groups."""

_NOISE = re.compile(
    r"""(?ix)
    ^(?:$
    | [\^~=\s*-]+$                                            # marks below a line of source
    | at\s.+ | throw\s.* | node:internal/.+ | .+\.[cm]?[jt]s:\d+$   # places in programs
    | traceback\s\(most\srecent.* | exception\sgroup\straceback.* | during\shandling\s.* | the\sabove\sexception\s.*
    | (?:base)?exceptiongroup:.* | \d+\s-+ | [{}\[\]]+,?
    | (?-i:[a-z])\w*:\s(?:'.*'|\[.*\]|\d+),?  # an error object of Node
    | node\.js\sv[\d.]+ | npm\s(?:err!|error)\s*(?:code\s\S+|\d+\s*)?$
    | npm\s(?:err!|error)\s(?:a\scomplete\slog|[\d\s]*note\sthat|syscall|errno|path|\d+\s+in\s).*
    | npm\s(?:warn|notice)\b.* | hint:.* | (?:info|debug|trace)\b[:\s].*
    | installed\s\d+\spackages?.* | (?:downloading|downloaded|building|built)\s.*
    )$"""
)
_PLACE = re.compile(r'^File ".+", line \d+')
"""A line of a traceback; the deeper line after it is source code."""

_ERROR = re.compile(
    r"""(?x)
    ^(?:\S+[ ]-[ ])?                                          # a time or a name before it
    (?:[\w.]*(?:Error|Exception|ExceptionGroup|Interrupt|Exit)\b(?:\s\[\w+\])?:?   # Python, Node
    | (?i:npm\s(?:err!|error)) | (?i:(?:error|fatal|panic|critical|failed|failure)\b)
    | (?i:no\ssolution\sfound) | .*(?i:\b(?:cannot|could\snot|not\sfound|no\ssuch|permission\sdenied|denied|refused
    | missing|required|invalid|unknown|usage:)\b))"""
)


class Complaints:
    """The lines of one child that are worth showing; bounded."""

    def __init__(self) -> None:
        """Start without a line."""
        self._first: list[str] = []
        self._last: list[str] = []
        self._place_indent: int | None = None

    def add(self, line: str) -> None:
        """Add a line of stderr."""
        plain = foreign.harmless(line).rstrip()
        text = _FRAME.sub("", plain)
        indent = len(plain) - len(text)
        is_source = self._place_indent is not None and indent > self._place_indent
        self._place_indent = indent if _PLACE.match(text) else None
        if is_source or self._place_indent is not None or _NOISE.match(text):
            return
        if (self._first and len(self._first) < _KEPT_LINES) or (not self._first and _ERROR.match(text)):
            self._first.append(text)
        self._last = [*self._last, text][-_KEPT_LINES:]

    def text(self) -> str:
        """Return the first error and the lines after it, or the last lines; empty when the child said nothing."""
        return " ".join(self._first or self._last)[:_KEPT_CHARACTERS]
