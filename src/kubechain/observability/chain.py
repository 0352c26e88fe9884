"""A file of JSON lines, each with the hash of the line before, so that a changed, added or removed line is found.

`Chain` appends, `verified` reads. A line that a crash cut off is ended, and the next one says so and has its hash. A
file that was moved away by a rotation is begun anew, and its first line has the hash of the last line of the old one.
What a chain cannot show is that its end is missing: for that the last hash has to be kept elsewhere.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

START = "0" * 64
"""The hash before the first line of all."""

STDOUT = "-"

OPENED = "opened"
"""The event of the first line that a process writes to a file."""

_TAIL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Fault:
    """The first line that does not fit.

    Attributes:
        number: From 1.
    """

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of verifying one file.

    Attributes:
        count: Lines that fit.
        torn: Numbers of lines that a crash cut off.
        chains: How many begin in the file: each process begins one where it writes to standard output.
        last: Hash of the last line that fits.
    """

    count: int
    torn: tuple[int, ...]
    chains: int
    last: str
    fault: Fault | None = None


class Chain:
    """Appends to a file, or to standard output."""

    def __init__(self, path: str, stamp: Callable[[], str], **opening: Any) -> None:
        """Open it, and write its first line.

        Args:
            path: Of the file; `-` for standard output.
            stamp: The time, as the lines have it.
            opening: What the first line says beside the time.

        Raises:
            OSError: It cannot be opened.
        """
        self._path, self._stamp, self._opening = path, stamp, opening
        self._last = START
        self._lost_count = 0
        self._file = self._open()

    def append(self, event: str, facts: Mapping[str, Any]) -> None:
        """Write one line; the next line after one that could not be written says how many are lost.

        Raises:
            OSError: It cannot be written.
        """
        try:
            if self._is_moved():
                self.close()
                self._file = self._open()
            lost = {"lost": self._lost_count} if self._lost_count else {}
            self._write({"time": self._stamp(), "event": event, **lost, **facts})
        except OSError:
            self._lost_count += 1
            raise
        self._lost_count = 0

    def close(self) -> None:
        """Close the file."""
        if self._path != STDOUT:
            os.close(self._file)

    def _open(self) -> int:
        if self._path == STDOUT:
            descriptor, is_torn = sys.stdout.fileno(), False
        else:
            descriptor = _locked(self._path)
            is_torn = self._take_over(descriptor)
        self._file = descriptor
        torn = {"torn": True} if is_torn else {}
        self._write({"time": self._stamp(), "event": OPENED, **torn, **self._opening})
        return descriptor

    def _take_over(self, descriptor: int) -> bool:
        """Go on after the last line of the file; returns whether that was cut off, and ends it then."""
        last = _last_line(descriptor)
        if not last:
            return False
        self._last = _hash(last.removesuffix(b"\n"))
        if last.endswith(b"\n"):
            return False
        _write_all(descriptor, b"\n")
        return True

    def _is_moved(self) -> bool:
        """Whether the path leads to another file, or to none."""
        if self._path == STDOUT:
            return False
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return True
        own = os.fstat(self._file)
        return (found.st_dev, found.st_ino) != (own.st_dev, own.st_ino)

    def _write(self, record: Mapping[str, Any]) -> None:
        text = json.dumps({**record, "previous": self._last}, ensure_ascii=False, separators=(",", ":"))
        line = text.encode("utf-8", "backslashreplace")
        _write_all(self._file, line + b"\n")
        self._last = _hash(line)


def verified(path: Path, *, before: str | None = None) -> Verdict:
    """Verify one file.

    Args:
        before: Hash of the last line of the file before it; None takes what the first line says.
    """
    with path.open("rb") as file:
        return _verdict(file, before)


def _verdict(lines: Iterable[bytes], before: str | None) -> Verdict:
    last, count, chains, torn = before, 0, 0, list[int]()
    is_open = False
    """Whether the line before is not whole, so that the next one must say so."""

    def judged(fault: Fault | None = None) -> Verdict:
        return Verdict(count, tuple(torn), chains, last or START, fault)

    for number, line in enumerate(lines, 1):
        record = _record(line)
        if is_open and not _tells_of_torn(record):
            return judged(Fault(number - 1, "it is not a whole JSON line with the hash of the line before"))
        if record is None:
            is_open = True
            torn.append(number)
        elif last is None or record["previous"] == last:
            is_open = False
            count += 1
        elif record["previous"] == START and record.get("event") == OPENED:
            count, chains = count + 1, chains + 1
        else:
            return judged(
                Fault(number, "this line or the one before it was changed, or lines between them are missing")
            )
        if number == 1 and record is not None and record["previous"] == START:
            chains = 1
        last = _hash(line.removesuffix(b"\n"))
    return judged()


def _tells_of_torn(record: Mapping[str, Any] | None) -> bool:
    """Whether a line says that the one before it was cut off."""
    return record is not None and record.get("event") == OPENED and record.get("torn") is True


def _record(line: bytes) -> dict[str, Any] | None:
    """A whole line; None for what is not one."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) and "previous" in found else None


def _locked(path: str) -> int:
    """Open a file to append to it, alone: another process would go on from a line that is not the last one any more."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _last_line(descriptor: int) -> bytes:
    """The end of a file after the last line break but one; empty for an empty file."""
    end = os.fstat(descriptor).st_size
    found = b""
    for part in _backwards(descriptor, end):
        found = part + found
        start = found.rfind(b"\n", 0, len(found) - 1)
        if start >= 0:
            return found[start + 1 :]
    return found


def _backwards(descriptor: int, end: int) -> Iterator[bytes]:
    while end > 0:
        start = max(end - _TAIL_BYTES, 0)
        yield os.pread(descriptor, end - start, start)
        end = start


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
