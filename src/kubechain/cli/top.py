"""`kubechain top`: who spends what."""

from __future__ import annotations

import argparse

from kubechain.cli.clusterflags import add_listing_flags
from kubechain.cli.output import JSON, TEXT, YAML, add_output_flag

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
  kubechain top --watch              the same, written again as it changes
"""

BY = ("agent", "llm", "namespace")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_listing_flags(parser)
    parser.add_argument("--by", choices=BY, default="agent", help="what to sum up by (default: agent)")
    parser.add_argument("-w", "--watch", action="store_true", help="go on, and show the sums as they change")
    add_output_flag(parser, (TEXT, JSON, YAML))


def run(options: argparse.Namespace) -> int:
    """Print the sums."""
    from kubechain.cli import clusters, sums
    from kubechain.cli.clusters import Place

    async def command(place: Place) -> int:
        wanted = sums.Wanted(options.by, options.output)
        if options.watch:
            await sums.watch(place, wanted)
        else:
            await sums.show(place, wanted)
        return 0

    return clusters.run(options, command)
