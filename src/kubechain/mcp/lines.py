"""Splits a stream of bytes into lines, and buffers at most one line of bounded length. Pure."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 256
"""How much is kept of a line that is too long; JSON-RPC writers put the id near the start."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """Replaces a line over the limit; returned as soon as the limit is exceeded. The rest of the line is discarded.

    Attributes:
        head: First bytes of the line.
    """

    head: bytes


class LineSplitter:
    """Splits chunks into lines.

    Attributes:
        is_skipping: Whether the rest of a line over the limit is being discarded.
    """

    def __init__(self, limit_bytes: int) -> None:
        """Create an empty splitter; `limit_bytes` is the maximum length of a line, without its line break."""
        self._limit = limit_bytes
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self.is_skipping = False

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """Add a chunk; return the lines that it completes, without their line breaks."""
        *ends, rest = chunk.split(b"\n")
        lines: list[bytes | TooLong] = []
        for end in ends:
            lines += self._keep(end)
            lines += self._complete()
        return lines + self._keep(rest)

    def _keep(self, part: bytes) -> list[bytes | TooLong]:
        if self.is_skipping or not part:
            return []
        self._kept.append(part)
        self._kept_bytes += len(part)
        if self._kept_bytes <= self._limit:
            return []
        head = b"".join(self._kept)[:HEAD_BYTES]
        self._kept, self._kept_bytes, self.is_skipping = [], 0, True
        return [TooLong(head)]

    def _complete(self) -> list[bytes | TooLong]:
        line, self._kept, self._kept_bytes = b"".join(self._kept), [], 0
        if self.is_skipping:
            self.is_skipping = False
            return []
        return [line]
