"""`kubechain continue`: goes on with a conversation that has ended."""

from __future__ import annotations

import argparse

from kubechain.cli import names
from kubechain.cli.attendance import EXIT_STATUSES, add_starting_flags
from kubechain.cli.clusterflags import add_cluster_flags

SUMMARY = "go on with a conversation that has ended"
DESCRIPTION = """\
Create a TaskRun that starts from the whole conversation of another one, however long it is and however it ended, with
one more question, and stay with it. A run that is not over reads messages: see `kubechain message`.
"""
EPILOG = f"""\
examples:
  kubechain continue hello-1 "And the capital of Mars?"

{EXIT_STATUSES}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("name", metavar="RUN", help="TaskRun"), names.task_runs)
    parser.add_argument("question", metavar="QUESTION", help="what the agent is asked next")
    add_cluster_flags(parser)
    add_starting_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Start the run, and stay with it."""
    from kubechain.cli import attending, clusters, references
    from kubechain.cli.clusters import Place
    from kubechain.cli.steering import continued
    from kubechain.cli.terminal import Failure

    if not options.question.strip():
        raise Failure("the question is empty", status=2)
    name, made = references.run_name(options.name), list[str]()

    async def command(place: Place) -> int:
        made.append(await continued(place, name, options.question))
        return 0

    clusters.run(options, command)
    return attending.attend_started(options, made[0])
