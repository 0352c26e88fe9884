"""`kubechain logs`: prints what was said and called in a run, one thing after the other."""

from __future__ import annotations

import argparse

from kubechain.cli import names
from kubechain.cli.clusterflags import add_cluster_flags
from kubechain.cli.output import JSON, TEXT, YAML, add_output_flag, print_data

SUMMARY = "print what was said and called in a run"
DESCRIPTION = """\
Print a run turn by turn: messages, tool calls with their results, decisions of people, the runs of other agents where
their calls are. Finished runs are printed from their objects alone; with -f the others are followed to their end.
"""
EPILOG = """\
examples:
  kubechain logs hello-1
  kubechain logs hello-1 -f
  kubechain logs hello-1 -o json | jq '.entries[].text'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("name", metavar="RUN", help="TaskRun"), names.task_runs)
    add_cluster_flags(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run is over")
    add_output_flag(parser, (TEXT, JSON, YAML))


def run(options: argparse.Namespace) -> int:
    """Print the lines."""
    from kubechain.cli import clusters, references
    from kubechain.cli.clusters import Place
    from kubechain.cli.gathering import gather
    from kubechain.cli.terminal import Failure
    from kubechain.views import lines
    from kubechain.views.commands import with_flags
    from kubechain.views.plain import plain
    from kubechain.views.telling import story_of

    name, flags = references.run_name(options.name), clusters.flags(options)
    if options.follow and options.output != TEXT:
        raise Failure(f"-o {options.output} shows a run as it is now: leave out -f", status=2)

    async def command(place: Place) -> int:
        if options.follow:
            from kubechain.cli.telling import LineTeller

            return await LineTeller().follow(place, name, flags)
        story = story_of(await gather(place, name))
        if options.output == TEXT:
            from kubechain.cli import screens

            screens.show_lines(screens.screen(), lines.of_story(with_flags(story, flags)))
        else:
            print_data(plain(story), options.output)
        return 0

    return clusters.run(options, command)
