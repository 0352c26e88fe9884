"""Files that are generated and committed: written where they differ, or only told of, with `--check`.

For the scripts of this folder; what the files hold is theirs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def stale(expected: Mapping[Path, str], left_over: Iterable[Path] = ()) -> list[Path]:
    """Return the files that differ or are missing, and those that nothing generates any more.

    Args:
        expected: The text of each file.
        left_over: Files that are there; those that are expected are none.
    """
    differing = [path for path, text in expected.items() if not path.exists() or path.read_text() != text]
    return sorted([*differing, *(set(left_over) - expected.keys())])


def settled(expected: Mapping[Path, str], left_over: Iterable[Path] = (), *, is_check: bool, repair: str) -> int:
    """Make the files what they should be, or say which are not; return the exit status.

    Args:
        expected: The text of each file.
        left_over: Files that are there; those that are not expected are deleted.
        is_check: Whether nothing is written, and a file that differs is a failure.
        repair: The command that writes them.
    """
    found = stale(expected, left_over)
    for path in found:
        if is_check:
            print(f"{_shown(path)}: out of date, run `{repair}`", file=sys.stderr)
        elif path in expected:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(expected[path])
        else:
            path.unlink()
    return 1 if found and is_check else 0


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
