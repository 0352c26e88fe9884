"""`kubechain pending`: lists what waits for a person."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from kubechain.cli.clusterflags import add_listing_flags
from kubechain.cli.output import JSON, NAME, YAML, add_output_flag, print_data, print_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kubechain.api.humanrequest import HumanRequest
    from kubechain.cli.clusters import Place

SUMMARY = "list what waits for a person"
DESCRIPTION = """\
List the HumanRequests that nobody has decided yet, the oldest first.

`kubechain approve` and `kubechain reject` decide about approvals, `kubechain answer` answers everything else.
"""
EPILOG = """\
examples:
  kubechain pending
  kubechain pending -A
  kubechain pending -o name                                         as `kubectl describe` takes them
  kubechain pending -o json | jq -r '.items[].spec.request.arguments'
"""

NEEDS = {"TYPE": 70, "SUBJECT": 140, "TASKRUN": 100, "AGE": 70}
"""Widths of the narrowest terminals that show these columns."""

SOON_SECONDS = 3600.0
"""What expires within this time is shown in another colour."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_listing_flags(parser)
    add_output_flag(parser)


def run(options: argparse.Namespace) -> int:
    """Print the list."""
    from kubechain.cli import clusters
    from kubechain.controllers.resources import HUMAN_REQUESTS

    async def command(place: Place) -> int:
        found = await place.client.list(HUMAN_REQUESTS, place.namespace)
        _print(pending(found), options.output, everywhere=options.all_namespaces)
        return 0

    return clusters.run(options, command)


def pending(requests: Sequence[HumanRequest]) -> list[HumanRequest]:
    """Return those without a decision that somebody waits for, the oldest first."""
    from kubechain.views.telling import is_decided

    waiting = [each for each in requests if not is_decided(each)]
    return sorted(waiting, key=lambda each: (str(each.metadata.creation_timestamp), each.metadata.name))


def _print(requests: Sequence[HumanRequest], output: str, *, everywhere: bool) -> None:
    if output in (JSON, YAML):
        print_data({"apiVersion": "v1", "kind": "List", "items": [each.to_wire() for each in requests]}, output)
    elif not requests:
        print("nothing waits for a decision", file=sys.stderr)
    elif output == NAME:
        for each in requests:
            print_name("humanrequest", each.metadata.name)
    else:
        _print_table(requests, everywhere=everywhere)


def _print_table(requests: Sequence[HumanRequest], *, everywhere: bool) -> None:
    from kubechain.cli import terminal, wallclock
    from kubechain.cli.table import table

    now = wallclock.now()
    namespace = ["NAMESPACE"] if everywhere else []
    head = [*namespace, "NAME", "TYPE", "SUBJECT", "TASKRUN", "AGE", "EXPIRES", "ASKED"]
    rows = [_row(each, now, everywhere=everywhere) for each in requests]
    title, *lines = table(head, rows, columns=terminal.columns_of(sys.stdout), needs=NEEDS).splitlines()
    print(terminal.paint(terminal.BOLD, title, sys.stdout))
    for request, line in zip(requests, lines, strict=True):
        print(terminal.paint(terminal.YELLOW, line, sys.stdout) if _is_urgent(request, now) else line)


def _row(request: HumanRequest, now: datetime, *, everywhere: bool) -> list[str | None]:
    from kubechain.views.wording import between

    asked, created = request.spec.request, request.metadata.creation_timestamp
    return [
        *([request.metadata.namespace] if everywhere else []),
        request.metadata.name,
        asked.type,
        f"{asked.subject.resource}/{asked.subject.name}",
        asked.task_run_ref.name,
        between(created, None, now),
        _expiry(request, now),
        what(request),
    ]


def what(request: HumanRequest) -> str:
    """What is asked, in a few words: the question, the call that is asked about, the page, or the message."""
    from kubechain.api.humanrequest import HumanRequestType

    asked = request.spec.request
    if asked.type == HumanRequestType.QUESTION and (question := _question(asked.arguments)):
        return question
    if asked.tool and asked.arguments is not None:
        return f"{asked.tool} {asked.arguments}"
    return asked.url or asked.message or asked.tool or ""


def _question(arguments: str | None) -> str:
    """The text that the model wrote; empty where the arguments have none."""
    import json

    try:
        return str(json.loads(arguments or "{}")["message"])
    except (KeyError, TypeError, ValueError):
        return ""


def _expiry(request: HumanRequest, now: datetime) -> str:
    from kubechain.views.wording import span

    expires_at = request.spec.request.expires_at
    if expires_at is None:
        return "never"
    left = (expires_at - now).total_seconds()
    return f"in {span(left)}" if left > 0 else "expired"


def _is_urgent(request: HumanRequest, now: datetime) -> bool:
    expires_at = request.spec.request.expires_at
    return expires_at is not None and (expires_at - now).total_seconds() < SOON_SECONDS
