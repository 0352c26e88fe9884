"""`kubechain top`: who spends what."""

from __future__ import annotations

import argparse
import sys

from kubechain.cli.clusterflags import add_listing_flags
from kubechain.cli.output import JSON, TEXT, YAML, add_output_flag, print_data

SUMMARY = "show who spends what: by agent, LLM or namespace"
DESCRIPTION = """\
Sum up the runs that there are, by agent, by LLM or by namespace: how many go on and how they ended, turns, tokens, and
the cost as far as prices are known. Runs that were deleted are not counted.
"""
EPILOG = """\
examples:
  kubechain top
  kubechain top --by llm
  kubechain top -A --by namespace
"""

NEEDS = {"CANCELLED": 90, "TURNS": 75}
"""Widths of the narrowest terminals that show these columns."""

BY = ("agent", "llm", "namespace")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_listing_flags(parser)
    parser.add_argument("--by", choices=BY, default="agent", help="what to sum up by (default: agent)")
    add_output_flag(parser, (TEXT, JSON, YAML))


def run(options: argparse.Namespace) -> int:
    """Print the sums."""
    from kubechain.cli import clusters
    from kubechain.cli.clusters import Place
    from kubechain.cli.table import table
    from kubechain.cli.terminal import columns_of
    from kubechain.controllers.resources import TASK_RUNS
    from kubechain.views.plain import plain
    from kubechain.views.shares import shares
    from kubechain.views.wording import money

    async def command(place: Place) -> int:
        found = shares(await place.client.list(TASK_RUNS, place.namespace), options.by)
        if options.output != TEXT:
            print_data(plain(found), options.output)
        elif not found:
            print("there are no runs", file=sys.stderr)
        else:
            head = [options.by.upper(), "OPEN", "ANSWERED", "FAILED", "CANCELLED", "TURNS", "TOKENS", "COST"]
            rows = [
                [
                    each.name,
                    *(str(count) for count in (each.open, each.answered, each.failed, each.cancelled)),
                    f"{each.spent.turns:,}",
                    f"{each.spent.total_tokens:,}",
                    money(each.spent.cost),
                ]
                for each in found
            ]
            print(table(head, rows, columns=columns_of(sys.stdout), needs=NEEDS))
        return 0

    return clusters.run(options, command)
