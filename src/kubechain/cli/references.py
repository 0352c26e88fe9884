"""What a person names on the command line: `hello-1`, `taskrun/hello-1`, `ag/helper`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubechain.api.kinds import ALL_KINDS, TASK_RUN_KIND, Kind
from kubechain.cli.terminal import Failure


@dataclass(frozen=True, slots=True)
class Reference:
    """A kind and a name."""

    kind: Kind[Any]
    name: str


def parsed(text: str) -> Reference:
    """What is meant; a name alone is that of a TaskRun.

    Raises:
        Failure: There is no such kind, or no name.
    """
    kind, slash, name = text.rpartition("/")
    if not slash:
        return Reference(TASK_RUN_KIND, text)
    found = kind_of(kind)
    if not name:
        raise Failure(f'a name is needed after the slash: "{text}"', status=2)
    return Reference(found, name)


def kind_of(text: str) -> Kind[Any]:
    """The kind that is meant: `taskrun`, `taskruns`, `tr`, or with the group after a dot.

    Raises:
        Failure: There is no such kind.
    """
    wanted = text.lower().partition(".")[0]
    for each in ALL_KINDS:
        if wanted in (each.singular, each.plural, *each.short_names):
            return each
    known = ", ".join(each.singular for each in ALL_KINDS)
    raise Failure(f'there is no kind "{text}" of ours: one of {known}', status=2)


def run_name(text: str) -> str:
    """The name of a TaskRun, with or without its kind.

    Raises:
        Failure: It is of another kind.
    """
    reference = parsed(text)
    if reference.kind is not TASK_RUN_KIND:
        raise Failure(f'a TaskRun is needed: "{text}"', status=2)
    return reference.name
