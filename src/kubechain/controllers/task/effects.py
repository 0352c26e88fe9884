"""What a Task does to the world: it makes its first run."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api import names
from kubechain.api.meta import ObjectMeta, is_owned_by, owner_reference
from kubechain.api.references import LocalObjectReference
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun, TaskRunSpec
from kubechain.controllers.frame import cache_is_behind
from kubechain.controllers.resources import TASK_RUNS, TASKS
from kubechain.runtime.client import Client
from kubechain.runtime.errors import AlreadyExists


@dataclass(frozen=True, slots=True)
class RunCreated:
    """The run exists and is this Task's, whether made now or by an earlier try."""

    name: str


@dataclass(frozen=True, slots=True)
class NameTaken:
    """The name belongs to something else; it may be free again later."""

    name: str


Outcome = RunCreated | NameTaken


async def create_run(client: Client, task: Task, name: str) -> Outcome:
    """Make the run, or adopt it when an earlier try made it.

    Raises:
        RetryableError: The Task has changed and the cache does not know yet: its run may have been made already, and
            deleted since, and must not come back.
    """
    latest = await client.get(TASKS, task.metadata.namespace, task.metadata.name)
    if latest.metadata.resource_version != task.metadata.resource_version:
        raise cache_is_behind(f"Task {task.metadata.name}")
    try:
        await client.create(TASK_RUNS, first_run(task, name))
    except AlreadyExists:
        return await _adopt(client, task, name)
    return RunCreated(name)


async def _adopt(client: Client, task: Task, name: str) -> Outcome:
    existing = await client.get(TASK_RUNS, task.metadata.namespace, name)
    return RunCreated(name) if is_owned_by(existing, task) else NameTaken(name)


def first_run(task: Task, name: str) -> TaskRun:
    """The run as it is sent to the API server: owned by its Task, found by its label."""
    return TaskRun(
        metadata=ObjectMeta(
            name=name,
            namespace=task.metadata.namespace,
            labels={names.LABEL_TASK: names.label_value(task.metadata.name)},
            owner_references=(owner_reference(task),),
        ),
        spec=TaskRunSpec(task_ref=LocalObjectReference(name=task.metadata.name)),
    )
