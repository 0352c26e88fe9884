"""`kubechain get`: lists objects; runs with how far they are and what they wait for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kubechain.cli import names
from kubechain.cli.clusterflags import add_listing_flags
from kubechain.cli.output import FORMATS, WIDE, add_output_flag

if TYPE_CHECKING:
    from kubechain.api.kinds import Kind
    from kubechain.cli.clusters import Place

SUMMARY = "list runs with how far they are, and objects of every kind"
DESCRIPTION = """\
List runs: phase, agent, turns, tokens, cost, age, and what each waits for. Every other kind is listed with the columns
of kubectl. A narrow terminal leaves out numbers; a pipe gets all of them. With --watch every change is a line.
"""
EPILOG = """\
examples:
  kubechain get                              the runs of the namespace
  kubechain get -A --watch
  kubechain get agents
  kubechain get taskrun hello-1 -o yaml
  kubechain get -l kubechain.humanlayer.dev/root=hello-1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("kind", nargs="?", default="taskruns", metavar="KIND", help="which kind (default: taskruns)")
    name = parser.add_argument("name", nargs="?", default="", metavar="NAME", help="one object of it")
    names.completes(name, names.of_a_kind)
    add_listing_flags(parser)
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="only objects with these labels")
    parser.add_argument("-w", "--watch", action="store_true", help="go on, and print each change")
    add_output_flag(parser, (*FORMATS, WIDE))


def run(options: argparse.Namespace) -> int:
    """Print the list."""
    from kubechain.cli import clusters, lists
    from kubechain.cli.terminal import Failure

    kind, name = _wanted(options.kind, options.name)
    if name and (options.all_namespaces or options.selector):
        raise Failure("a name is of one object: leave out -A and -l, or the name", status=2)
    wanted = lists.Wanted(kind, name, options.selector, options.output)

    async def command(place: Place) -> int:
        if options.watch:
            await lists.watch(place, wanted)
        else:
            await lists.show(place, wanted)
        return 0

    return clusters.run(options, command)


def _wanted(kind: str, name: str) -> tuple[Kind[Any], str]:
    """The kind and the name that are meant: `agent helper`, `agent/helper`, `agents`."""
    from kubechain.cli import references

    if "/" in kind and not name:
        reference = references.parsed(kind)
        return reference.kind, reference.name
    return references.kind_of(kind), name
