"""`kubechain tree`: shows a run with the runs below it."""

from __future__ import annotations

import argparse

from kubechain.cli import names
from kubechain.cli.clusterflags import add_cluster_flags
from kubechain.cli.output import JSON, TEXT, YAML, add_output_flag, print_data

SUMMARY = "show a run, its tool calls and the runs below it"
DESCRIPTION = """\
Show a run as a tree: its tool calls, the runs of other agents that answer them, and so on, each with its phase and how
long it took. Turns, tokens and cost are those of a run with all runs below it.
"""
EPILOG = """\
examples:
  kubechain tree hello-1
  kubechain tree hello-1 -o json | jq .total
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("name", metavar="RUN", help="TaskRun"), names.task_runs)
    add_cluster_flags(parser)
    add_output_flag(parser, (TEXT, JSON, YAML))


def run(options: argparse.Namespace) -> int:
    """Print the tree."""
    from kubechain.cli import clusters, references, wallclock
    from kubechain.cli.clusters import Place
    from kubechain.cli.gathering import gather
    from kubechain.views import trees
    from kubechain.views.plain import plain
    from kubechain.views.telling import story_of

    name = references.run_name(options.name)

    async def command(place: Place) -> int:
        story = story_of(await gather(place, name))
        if options.output == TEXT:
            from kubechain.cli import screens

            console = screens.screen()
            screens.show(console, screens.tree(trees.rows(story, wallclock.now()), console))
        else:
            print_data(plain(story), options.output)
        return 0

    return clusters.run(options, command)
