"""`kubechain approve`: lets a tool call that waits for a person go on."""

from __future__ import annotations

import argparse

from kubechain.cli import names
from kubechain.cli.clusterflags import add_cluster_flags

SUMMARY = "approve what an agent waits for"
DESCRIPTION = """\
Approve HumanRequests: the tool calls that wait for them are carried out.

`kubechain pending` lists what waits, `kubectl describe hr NAME` shows one in full. The decision is recorded under the
name that the API server knows you by, and it is made once.
"""
EPILOG = """\
examples:
  kubechain approve tidy-up-1-t0-c0
  kubechain approve tidy-up-1-t0-c0 --for-run                             this tool, for the rest of the run
  kubechain approve tidy-up-1-t0-c0 --arguments '{"repo": "old-fork"}'    with these arguments instead
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("names", nargs="+", metavar="NAME", help="HumanRequest"), names.open_requests)
    add_cluster_flags(parser)
    parser.add_argument("--comment", default=None, metavar="TEXT", help="kept with the decision")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--for-run",
        action="store_true",
        help="also approve every later call of the tool in the same run, whatever its arguments (see kubechain grants)",
    )
    how.add_argument("--arguments", default=None, metavar="JSON", help="call the tool with these arguments instead")


def run(options: argparse.Namespace) -> int:
    """Write the decisions."""
    from kubechain.api.approval import DecisionChoice
    from kubechain.cli import deciding

    edited = None if options.arguments is None else deciding.checked_arguments(options.arguments)
    draft = deciding.Draft(DecisionChoice.APPROVE_FOR_RUN if options.for_run else DecisionChoice.APPROVE, edited)
    return deciding.run(options, lambda _name, _asked: draft)
