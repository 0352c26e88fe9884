"""`kubechain pending`: lists what waits for a person."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from kubechain.cli.clusterflags import add_listing_flags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubechain.api.humanrequest import HumanRequest
    from kubechain.cli.clusters import Place

SUMMARY = "list what waits for a person"
DESCRIPTION = "List the HumanRequests that nobody has decided yet, the oldest first."
EPILOG = """\
examples:
  kubechain pending
  kubechain pending -A
  kubechain pending -o json | jq -r '.items[].spec.request.arguments'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_listing_flags(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to print (default: text)")


def run(options: argparse.Namespace) -> int:
    """Print the list."""
    from kubechain.cli import clusters
    from kubechain.controllers.resources import HUMAN_REQUESTS

    async def command(place: Place) -> int:
        found = await place.client.list(HUMAN_REQUESTS, place.namespace)
        _print(pending(found), as_json=options.output == "json", everywhere=options.all_namespaces)
        return 0

    return clusters.run(options, command)


def pending(requests: Sequence[HumanRequest]) -> list[HumanRequest]:
    """Return those without a decision that somebody waits for, the oldest first."""
    waiting = [
        each
        for each in requests
        if each.spec.decision is None and not (each.status.phase is not None and each.status.phase.is_terminal)
    ]
    return sorted(waiting, key=lambda each: (str(each.metadata.creation_timestamp), each.metadata.name))


def _print(requests: Sequence[HumanRequest], *, as_json: bool, everywhere: bool) -> None:
    import json

    from kubechain.cli.table import table

    if as_json:
        print(json.dumps({"items": [each.to_wire() for each in requests]}, indent=2))
    elif requests:
        namespace = ["NAMESPACE"] if everywhere else []
        head = [*namespace, "NAME", "TYPE", "SUBJECT", "TOOL", "TASKRUN", "EXPIRES", "ARGUMENTS"]
        print(table(head, [_row(each, everywhere=everywhere) for each in requests]))
    else:
        print("nothing waits for a decision", file=sys.stderr)


def _row(request: HumanRequest, *, everywhere: bool) -> list[str | None]:
    from kubechain.api.meta import time_text

    asked = request.spec.request
    return [
        *([request.metadata.namespace] if everywhere else []),
        request.metadata.name,
        asked.type,
        f"{asked.subject.resource}/{asked.subject.name}",
        asked.tool,
        asked.task_run_ref.name,
        "never" if asked.expires_at is None else time_text(asked.expires_at),
        asked.arguments,
    ]
