"""`kubechain cancel`: cancels runs, with the runs below them."""

from __future__ import annotations

import argparse

from kubechain.cli import names
from kubechain.cli.clusterflags import add_cluster_flags

SUMMARY = "cancel runs"
DESCRIPTION = "Cancel runs, and the runs of other agents below them. What they have done stays done."
EPILOG = """\
examples:
  kubechain cancel hello-1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("names", nargs="+", metavar="RUN", help="TaskRun"), names.open_runs)
    add_cluster_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Write the cancellations; stop at the first refusal."""
    from kubechain.cli import clusters, references
    from kubechain.cli.clusters import Place
    from kubechain.cli.steering import cancel
    from kubechain.cli.terminal import show

    async def command(place: Place) -> int:
        for name in options.names:
            await cancel(place, references.run_name(name))
            show(f"taskrun/{references.run_name(name)} is being cancelled")
        return 0

    return clusters.run(options, command)
