"""`kubechain doctor`: the cluster as we see it, and the commands that repair what is wrong."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kubechain.cli.clusterflags import add_listing_flags
from kubechain.cli.output import JSON, TEXT, YAML, add_output_flag, print_data

if TYPE_CHECKING:
    from kubechain.cli.checks import Check
    from kubechain.cli.clusters import Place

SUMMARY = "check the cluster: kinds, policies, rights, manager, LLMs, clocks"
DESCRIPTION = """\
Look at the cluster as whoever runs the command: versions, kinds and their schemas, admission policies, the rights of
the manager and your own, the leader, the clocks, the metrics, and the LLMs, MCP servers, tools, channels and agents of
the namespace. Each line is ok, warn or fail, and a line that is not ok has the command that repairs it. Nothing is
changed.
"""
EPILOG = """\
examples:
  kubechain doctor
  kubechain doctor -A -o json
  kubechain doctor -n team-a --manager-namespace agents

exit status: 0 nothing fails, 1 something does, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_listing_flags(parser)
    parser.add_argument(
        "--manager-namespace", default="kubechain-system", metavar="NAME",
        help="where the manager is installed (default: kubechain-system)",
    )  # fmt: skip
    parser.add_argument(
        "--manager-account", default="kubechain-manager", metavar="NAME",
        help="its ServiceAccount (default: kubechain-manager)",
    )  # fmt: skip
    parser.add_argument(
        "--leader-election-id", default="kubechain.humanlayer.dev", metavar="NAME",
        help="its Lease (default: kubechain.humanlayer.dev)",
    )  # fmt: skip
    parser.add_argument(
        "--admission-policy", default="kubechain-human-requests", metavar="NAME",
        help="policy that compares who decides with who writes (default: kubechain-human-requests)",
    )  # fmt: skip
    add_output_flag(parser, (TEXT, JSON, YAML))


def run(options: argparse.Namespace) -> int:
    """Print a line for each check."""
    from kubechain.cli import clusters
    from kubechain.cli.checks import Verdict
    from kubechain.cli.examining import Examination, Installation
    from kubechain.runtime.clock import SystemClock
    from kubechain.views.plain import plain

    installation = Installation(
        options.manager_namespace, options.manager_account, options.leader_election_id, options.admission_policy
    )

    async def command(place: Place) -> int:
        found: list[Check] = []
        async for check in Examination(place, installation, SystemClock()).checks():
            found.append(check)
            if options.output == TEXT:
                _print(check)
        if options.output != TEXT:
            print_data(plain(found), options.output)
        return 1 if any(each.verdict is Verdict.FAIL for each in found) else 0

    return clusters.run(options, command)


def _print(check: Check) -> None:
    import sys

    from kubechain.cli.checks import Verdict
    from kubechain.cli.terminal import GREEN, RED, YELLOW, paint, show, wrapped
    from kubechain.net.foreign import harmless

    colour = {Verdict.OK: GREEN, Verdict.WARN: YELLOW, Verdict.FAIL: RED}[check.verdict]
    head = f"{check.verdict:<4}  {check.subject:<16}  "
    text = wrapped(harmless(check.said), sys.stdout, head=head, indent=" " * len(head))
    show(text.replace(check.verdict, paint(colour, check.verdict, sys.stdout), 1))
    if check.repair:
        show(f"{'':<{len(head)}}repair: {harmless(check.repair)}")
