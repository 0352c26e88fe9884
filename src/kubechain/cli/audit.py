"""`kubechain audit verify`: says whether the lines of an audit log are those that were written."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubechain.observability.chain import Verdict

SUMMARY = "verify an audit log"
DESCRIPTION = """\
Verify files that `kubechain manager --audit-log FILE` wrote: each line has the hash of the line before, so that a line
that was changed, added or removed is found. The first one that does not fit is named, and the exit status is 1.

Name the files of a rotation in their order, the oldest first: then it is also found when one of them is missing.
That lines are missing at the very end is not found, unless their last hash, which is printed, was kept elsewhere.
"""
EPILOG = """\
examples:
  kubechain audit verify audit.log
  kubechain audit verify audit.log.2 audit.log.1 audit.log
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("action", choices=("verify",), metavar="verify", help="what to do: verify")
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="an audit log, or its rotated files in order"
    )


def run(options: argparse.Namespace) -> int:
    """Verify each file, and that each goes on where the one before it ended."""
    from kubechain.cli.terminal import Failure, show
    from kubechain.observability.chain import verified

    before: str | None = None
    for path in options.files:
        try:
            verdict = verified(path, before=before)
        except OSError as error:
            raise Failure(f'audit: {error.strerror}: "{path}"') from error
        for number in verdict.torn:
            show(f"{path}:{number}: cut off, as by a crash of the manager")
        if verdict.fault is not None:
            raise Failure(f"{path}:{verdict.fault.number}: does not fit: {verdict.fault.text}")
        show(f"{path}: {told(verdict)}")
        before = verdict.last
    return 0


def told(verdict: Verdict) -> str:
    """What is printed of a file without a fault."""
    lines = f"{verdict.count} line{'' if verdict.count == 1 else 's'} verified"
    begun = f", {verdict.chains} times begun anew" if verdict.chains > 1 else ""
    return f"{lines}{begun}, last hash {verdict.last}"
