"""`kubechain explain`: says why something waits, or how it ended, and what to type."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from kubechain.cli import names
from kubechain.cli.clusterflags import add_cluster_flags
from kubechain.cli.output import JSON, TEXT, YAML, add_output_flag, print_data

if TYPE_CHECKING:
    from kubechain.cli.clusters import Place
    from kubechain.cli.references import Reference
    from kubechain.views.explaining import Explanation

SUMMARY = "say why something waits, and what would free it"
DESCRIPTION = """\
Say in one paragraph why a run waits, or how it ended, with the commands to type; of every other kind, whether it can
be used and why not. A name alone is that of a TaskRun.
"""
EPILOG = """\
examples:
  kubechain explain hello-1
  kubechain explain agent/my-assistant
  kubechain explain task/hello-world-task       by its newest run
  kubechain explain hr/tidy-up-1-t0-c0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("name", metavar="[KIND/]NAME", help="object"), names.task_runs)
    add_cluster_flags(parser)
    add_output_flag(parser, (TEXT, JSON, YAML))


def run(options: argparse.Namespace) -> int:
    """Print the explanation."""
    from kubechain.cli import clusters, references
    from kubechain.cli.terminal import wrapped
    from kubechain.views.explaining import commands_of
    from kubechain.views.plain import plain

    reference = references.parsed(options.name)

    async def command(place: Place) -> int:
        explained = await _explained(place, reference)
        if options.output == TEXT:
            print(wrapped(explained.paragraph, sys.stdout))
            if explained.commands:
                print("\n" + "\n".join(commands_of(explained, clusters.flags(options))))
        else:
            print_data(plain(explained), options.output)
        return 0

    return clusters.run(options, command)


async def _explained(place: Place, reference: Reference) -> Explanation:
    from kubechain.api.kinds import TASK_KIND, TASK_RUN_KIND, TASK_RUN_TOOL_CALL_KIND
    from kubechain.cli import wallclock
    from kubechain.cli.gathering import gather
    from kubechain.controllers.resources import TASKS, TOOL_CALLS, resource_of
    from kubechain.views import explaining, objects
    from kubechain.views.telling import story_of

    run, namespace = None, place.namespace or ""
    if reference.kind is TASK_RUN_KIND:
        run = reference.name
    elif reference.kind is TASK_KIND:
        run = objects.run_of(await place.client.get(TASKS, namespace, reference.name))
    elif reference.kind is TASK_RUN_TOOL_CALL_KIND:
        run = (await place.client.get(TOOL_CALLS, namespace, reference.name)).spec.task_run_ref.name
    if run is not None:
        return explaining.of_story(story_of(await gather(place, run)), wallclock.now())
    return objects.of_object(await place.client.get(resource_of(reference.kind), namespace, reference.name))
