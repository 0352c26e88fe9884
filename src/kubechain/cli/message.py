"""`kubechain message`: tells a running agent something."""

from __future__ import annotations

import argparse

from kubechain.cli import names
from kubechain.cli.clusterflags import add_cluster_flags

SUMMARY = "tell a running agent something"
DESCRIPTION = "Send a message to a run that goes on. Its agent reads it at its next turn, once."
EPILOG = """\
examples:
  kubechain message hello-1 "Leave the archive alone."
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("name", metavar="RUN", help="TaskRun"), names.open_runs)
    parser.add_argument("text", metavar="TEXT", help="the message")
    add_cluster_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Write the message."""
    from kubechain.cli import clusters, references
    from kubechain.cli.steering import told
    from kubechain.cli.terminal import Failure

    if not options.text.strip():
        raise Failure("the message is empty", status=2)
    name = references.run_name(options.name)
    return clusters.run(options, lambda place: told(place, name, options.text))
