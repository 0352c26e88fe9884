"""`kubechain grants`: lists and revokes what people approved for the rest of a run."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from kubechain.cli import names
from kubechain.cli.clusterflags import add_listing_flags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubechain.api.grant import Grant
    from kubechain.api.taskrun import TaskRun
    from kubechain.cli.clusters import Place

SUMMARY = "list and revoke what is approved for the rest of a run"
DESCRIPTION = """\
List what people approved for the rest of runs that are not over, or revoke one of these approvals: later calls of the
tool need a decision again.
"""
EPILOG = """\
examples:
  kubechain grants
  kubechain grants --revoke tidy-up-1-t0-c0
"""

NEEDS = {"BY": 80, "IDENTITY": 120, "AT": 120}
"""Widths of the narrowest terminals that show these columns."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_listing_flags(parser)
    revoked = parser.add_argument("--revoke", default=None, metavar="REQUEST", help="HumanRequest whose approval ends")
    names.completes(revoked, names.granting_requests)


def run(options: argparse.Namespace) -> int:
    """Print the list, or revoke."""
    from kubechain.cli import clusters
    from kubechain.cli.terminal import Failure
    from kubechain.controllers.resources import TASK_RUNS

    if options.revoke and options.all_namespaces:
        raise Failure("--revoke is for one namespace: name it with -n", status=2)

    async def command(place: Place) -> int:
        runs = await place.client.list(TASK_RUNS, place.namespace)
        if options.revoke:
            await _revoke(place, runs, options.revoke)
        else:
            _print(grants(runs), everywhere=options.all_namespaces)
        return 0

    return clusters.run(options, command)


def grants(runs: Sequence[TaskRun]) -> list[tuple[TaskRun, Grant]]:
    """Return what is approved for the rest of these runs, without what was revoked and runs that are over."""
    return [
        (run, grant)
        for run in runs
        if not run.status.is_over
        for grant in run.status.grants
        if grant.request_name not in run.spec.revoked_grants
    ]


async def _revoke(place: Place, runs: Sequence[TaskRun], name: str) -> None:
    from kubechain.cli.terminal import Failure, show
    from kubechain.controllers.resources import TASK_RUNS

    for run, grant in grants(runs):
        if grant.request_name == name:
            patch = {"spec": {"revokedGrants": [*run.spec.revoked_grants, name]}}
            version = run.metadata.resource_version
            await place.client.patch(
                TASK_RUNS, run.metadata.namespace, run.metadata.name, patch, resource_version=version
            )
            show(f"taskrun/{run.metadata.name}: calls of {grant.tool} need a decision again")
            return
    raise Failure(f"{name}: no run that goes on has such a grant (kubechain grants lists them)")


def _print(found: Sequence[tuple[TaskRun, Grant]], *, everywhere: bool) -> None:
    from kubechain.api.meta import time_text
    from kubechain.cli.table import table
    from kubechain.cli.terminal import columns_of

    if not found:
        print("nothing is approved for the rest of a run", file=sys.stderr)
        return
    rows = [
        [
            *([run.metadata.namespace] if everywhere else []),
            run.metadata.name,
            grant.tool,
            grant.request_name,
            grant.by,
            grant.identity,
            time_text(grant.at),
        ]
        for run, grant in found
    ]
    namespace = ["NAMESPACE"] if everywhere else []
    head = [*namespace, "TASKRUN", "TOOL", "REQUEST", "BY", "IDENTITY", "AT"]
    print(table(head, rows, columns=columns_of(sys.stdout), needs=NEEDS))
