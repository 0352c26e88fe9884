"""`kubechain watch`: shows a run while it goes on."""

from __future__ import annotations

import argparse

from kubechain.cli import names
from kubechain.cli.attendance import EXIT_STATUSES, add_waiting_flags
from kubechain.cli.clusterflags import add_cluster_flags

SUMMARY = "watch a run until it is over"
DESCRIPTION = """\
Watch a run: on a terminal its tree, drawn again as it changes, with what it waits for below; in a pipe line by line, as
`kubechain logs -f`. Ctrl-C ends the watching, not the run.
"""
EPILOG = f"""\
examples:
  kubechain watch hello-1
  kubechain watch hello-1 --timeout 5m

{EXIT_STATUSES}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("name", metavar="RUN", help="TaskRun"), names.open_runs)
    add_cluster_flags(parser)
    add_waiting_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Watch, and end as the run ended."""
    from kubechain.cli import attending, references

    return attending.attend(options, references.run_name(options.name), has_answer=False)
