"""Cuts a stream of bytes into lines without ever holding more than one line of bounded length.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 256
"""Kept of a line that is too long: where JSON-RPC writers put the id."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """Stands for a line over the limit; it comes as soon as the limit is passed, the rest is thrown away.

    Attributes:
        head: Its first bytes.
    """

    head: bytes


class LineSplitter:
    """Lines out of chunks.

    Attributes:
        is_skipping: The rest of a line that was too long is being thrown away.
    """

    def __init__(self, limit_bytes: int) -> None:
        """Create an empty splitter; a line may have `limit_bytes` bytes, its end not counted."""
        self._limit = limit_bytes
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self.is_skipping = False

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """Take a chunk, return the lines that it completes, without their ends."""
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
