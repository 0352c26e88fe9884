"""The effects of a Task: it creates its first run, and deletes finished ones."""

from __future__ import annotations

from kubechain.api import lineage, names
from kubechain.api.creators import with_creator
from kubechain.api.meta import ObjectMeta, is_owned_by, owner_reference
from kubechain.api.references import LocalObjectReference
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun, TaskRunSpec
from kubechain.controllers.refusals import creating
from kubechain.controllers.resources import TASK_RUNS
from kubechain.controllers.task.outcomes import NameTaken, Outcome, RunCreated
from kubechain.runtime.client import Client
from kubechain.runtime.errors import REFUSALS, AlreadyExists, Conflict, NotFound, WriteRefused


async def create_run(client: Client, task: Task, name: str) -> Outcome:
    """Create the run of a Task that was read from the server, or adopt it when an earlier try created it.

    Raises:
        WriteRefused: The server says no.
    """
    run = first_run(task, name)
    try:
        with creating(run):
            await client.create(TASK_RUNS, run)
    except AlreadyExists:
        return await _adopt(client, task, name)
    return RunCreated(name)


async def _adopt(client: Client, task: Task, name: str) -> Outcome:
    existing = await client.get(TASK_RUNS, task.metadata.namespace, name)
    return RunCreated(name) if is_owned_by(existing, task) else NameTaken(name)


async def exists(client: Client, task: Task, name: str) -> bool:
    """Whether the server has a run of that name that names the Task."""
    try:
        found = await client.get(TASK_RUNS, task.metadata.namespace, name)
    except NotFound:
        return False
    return found.spec.task_ref is not None and found.spec.task_ref.name == task.metadata.name


async def delete_run(client: Client, run: TaskRun) -> bool:
    """Delete this run, and no other one of its name.

    Returns:
        Whether it was there.

    Raises:
        WriteRefused: The server says no.
    """
    metadata = run.metadata
    try:
        await client.delete(TASK_RUNS, metadata.namespace, metadata.name, uid=metadata.uid)
    except (NotFound, Conflict):
        return False
    except REFUSALS as error:
        raise WriteRefused(f'the deletion of TaskRun "{metadata.name}"', error) from error
    return True


def first_run(task: Task, name: str) -> TaskRun:
    """The run as it is sent to the API server: owned by its Task, found by its label."""
    metadata = ObjectMeta(
        name=name,
        namespace=task.metadata.namespace,
        labels={
            names.LABEL_TASK: names.label_value(task.metadata.name),
            **lineage.of_root(name, task.spec.agent_ref.name),
        },
        owner_references=(owner_reference(task),),
    )
    return TaskRun(
        metadata=with_creator(metadata, task),
        spec=TaskRunSpec(task_ref=LocalObjectReference(name=task.metadata.name)),
    )
