"""`kubechain reject`: refuses a tool call that waits for a person."""

from __future__ import annotations

import argparse

from kubechain.cli import names
from kubechain.cli.clusterflags import add_cluster_flags

SUMMARY = "reject what an agent waits for"
DESCRIPTION = """\
Reject HumanRequests: the tool calls that wait for them are not carried out. The run goes on, and its model reads the
comment as the result of the call.
"""
EPILOG = """\
examples:
  kubechain reject tidy-up-1-t0-c0 --comment 'That repository is still in use. Archive it instead.'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("names", nargs="+", metavar="NAME", help="HumanRequest"), names.open_requests)
    add_cluster_flags(parser)
    parser.add_argument("--comment", default=None, metavar="TEXT", help="why, for the model")


def run(options: argparse.Namespace) -> int:
    """Write the decisions."""
    from kubechain.api.approval import DecisionChoice
    from kubechain.cli import deciding

    return deciding.run(options, lambda _name, _asked: deciding.Draft(DecisionChoice.REJECT))
