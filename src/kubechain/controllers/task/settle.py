"""A Task's next status: pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api import conditions, reasons
from kubechain.api.meta import StatusType
from kubechain.api.task import Task
from kubechain.controllers.frame import Event, Settled, normal, readiness, warning
from kubechain.controllers.task.observe import RUN_CREATED
from kubechain.controllers.task.outcomes import NameTaken, Outcome, RunCreated
from kubechain.controllers.task.steps import Follow, Wait

NAME_TAKEN_SECONDS = 60.0
"""Until the next try to create the run: the deletion of a run that does not name the Task wakes no Task."""


def waiting(task: Task, step: Wait, now: datetime) -> Settled:
    """The Task waits; its status says for what."""
    event = normal(reasons.WAITING, step.detail)
    return Settled(_readiness(task, StatusType.PENDING, event, now), _news(task, event))


def created(task: Task, outcome: Outcome, now: datetime) -> Settled:
    """The status after the attempt to create the first run."""
    match outcome:
        case RunCreated(name):
            event = normal(reasons.TASK_RUN_CREATED, reasons.created_task_run(name))
            status = _readiness(task, StatusType.READY, event, now, detail=reasons.TASK_RUN_CREATED_DETAIL)
            status["conditions"] = conditions.with_condition(
                status["conditions"],
                type=RUN_CREATED,
                status=True,
                reason=event.reason,
                message=event.message,
                now=now,
                observed_generation=task.metadata.generation,
            )
            # The run may have finished before the Task was indexed as its owner: read its answer at once.
            return Settled(status, _news(task, event), requeue_after_seconds=0.0)
        case NameTaken(name):
            event = warning(
                reasons.TASK_RUN_NAME_TAKEN, f'TaskRun "{name}" exists already and does not belong to this Task'
            )
            status = _readiness(task, StatusType.ERROR, event, now)
            return Settled(status, _news(task, event), requeue_after_seconds=NAME_TAKEN_SECONDS)


def following(task: Task, step: Follow) -> Settled:
    """The newest answer; nothing else of the status changes."""
    changes = {} if step.output == task.status.output else {"output": step.output}
    return Settled(changes)


def _news(task: Task, event: Event) -> tuple[Event, ...]:
    if not task.status.status:
        return (normal(reasons.INITIALIZING, reasons.STARTING_VALIDATION), event)
    return () if task.status.status_detail == event.message else (event,)


def _readiness(task: Task, status: StatusType, event: Event, now: datetime, *, detail: str = "") -> dict[str, Any]:
    return readiness(task, status, reason=event.reason, message=event.message, now=now, detail=detail)
