"""Completes names of objects in the cluster for the shell: quietly none where they cannot be had in time."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from kubechain.runtime.resource import KubernetesObject, Resource

    T = TypeVar("T", bound=KubernetesObject)

WAIT_SECONDS = 3.0
"""Longer than a person waits for the Tab key, unless the cluster is far away."""


def completes(argument: argparse.Action, names: Callable[..., list[str]]) -> None:
    """Let an argument be completed: argcomplete looks for the attribute `completer`."""
    vars(argument)["completer"] = names


def task_runs(parsed_args: argparse.Namespace, **_completion: Any) -> list[str]:
    """All TaskRuns of the namespace."""
    from kubechain.controllers.resources import TASK_RUNS

    return sorted(each.metadata.name for each in _listed(parsed_args, TASK_RUNS))


def open_runs(parsed_args: argparse.Namespace, **_completion: Any) -> list[str]:
    """TaskRuns of the namespace that are not over, but for those that stand on the line already."""
    from kubechain.controllers.resources import TASK_RUNS

    found = _listed(parsed_args, TASK_RUNS)
    open_ = {each.metadata.name for each in found if not each.status.is_over}
    return sorted(open_ - set(getattr(parsed_args, "names", None) or ()))


def agents(parsed_args: argparse.Namespace, **_completion: Any) -> list[str]:
    """All Agents of the namespace."""
    from kubechain.controllers.resources import AGENTS

    return sorted(each.metadata.name for each in _listed(parsed_args, AGENTS))


def llms(parsed_args: argparse.Namespace, **_completion: Any) -> list[str]:
    """All LLMs of the namespace."""
    from kubechain.controllers.resources import LLMS

    return sorted(each.metadata.name for each in _listed(parsed_args, LLMS))


def of_a_kind(parsed_args: argparse.Namespace, **_completion: Any) -> list[str]:
    """All objects of the kind that stands on the line."""
    from kubechain.cli.references import kind_of
    from kubechain.cli.terminal import Failure
    from kubechain.controllers.resources import resource_of

    try:
        resource = resource_of(kind_of(parsed_args.kind))
    except Failure:
        return []
    return sorted(each.metadata.name for each in _listed(parsed_args, resource))


def open_requests(parsed_args: argparse.Namespace, **_completion: Any) -> list[str]:
    """HumanRequests of the namespace that nobody has decided, but for those that stand on the line already."""
    from kubechain.cli.pending import pending
    from kubechain.controllers.resources import HUMAN_REQUESTS

    names = {each.metadata.name for each in pending(_listed(parsed_args, HUMAN_REQUESTS))}
    return sorted(names - set(getattr(parsed_args, "names", None) or ()))


def granting_requests(parsed_args: argparse.Namespace, **_completion: Any) -> list[str]:
    """HumanRequests whose approval for the rest of a run can be revoked."""
    from kubechain.cli.grants import grants
    from kubechain.controllers.resources import TASK_RUNS

    return sorted({grant.request_name for _, grant in grants(_listed(parsed_args, TASK_RUNS))})


def _listed(parsed: argparse.Namespace, resource: Resource[T]) -> list[T]:
    import asyncio

    from kubechain.cli import clusters
    from kubechain.cli.clusters import Place
    from kubechain.cli.terminal import Failure

    found: list[T] = []

    async def command(place: Place) -> int:
        async with asyncio.timeout(WAIT_SECONDS):
            found.extend(await place.client.list(resource, place.namespace))
        return 0

    # What is not on the line yet has no attribute.
    flags = {name: getattr(parsed, name, None) for name in ("namespace", "kubeconfig", "context")}
    try:
        clusters.run(argparse.Namespace(**flags), command)
    except (Failure, OSError, TimeoutError):
        return []
    return found
