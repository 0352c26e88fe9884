"""A Task's next status: pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api import conditions, reasons
from kubechain.api.conditions import Claim
from kubechain.api.meta import Condition, StatusType
from kubechain.api.task import LastRun, LastRunPhase, Task
from kubechain.controllers.blocked import block_of
from kubechain.controllers.frame import Event, Settled, normal, readiness, warning
from kubechain.controllers.task.observe import Observed
from kubechain.controllers.task.steps import Adopt, Follow, Wait
from kubechain.runtime.errors import FINAL_REFUSALS, WriteRefused

NAME_TAKEN_SECONDS = 60.0
"""Until the next try to create the run: the deletion of a run that does not name the Task wakes no Task."""

DETAIL_MAX_CHARACTERS = 1_500
"""Limit of `statusDetail`: a run's own detail of 1,024 characters and what is said around it."""


def waiting(task: Task, step: Wait, now: datetime) -> Settled:
    """The Task waits; its status says for what."""
    event = warning(reasons.WAITING, step.detail) if step.is_broken else normal(reasons.WAITING, step.detail)
    status = StatusType.ERROR if step.is_broken else StatusType.PENDING
    return Settled(_readiness(task, status, event, now), _news(task, event))


def adopted(task: Task, step: Adopt, now: datetime) -> Settled:
    """The first run exists, and its Task has not said so: one status says that and what the newest run says."""
    event = normal(reasons.TASK_RUN_CREATED, reasons.created_task_run(step.name))
    status = _followed(task, step.follow, now)
    status["conditions"] = conditions.with_condition(
        status["conditions"],
        type=conditions.RUN_CREATED,
        status=True,
        reason=event.reason,
        message=event.message,
        now=now,
        observed_generation=task.metadata.generation,
    )
    news = (*_unless_known(task, event), *_end_news(task, step.follow), *_edit_news(task, step.follow))
    # The run may have finished before the Task was indexed as its owner: read its answer at once.
    return Settled(status, news, requeue_after_seconds=0.0)


def name_taken(task: Task, name: str, now: datetime) -> Settled:
    """The name of the first run belongs to something else."""
    text = f'TaskRun "{name}" exists already and does not belong to this Task'
    event = warning(reasons.TASK_RUN_NAME_TAKEN, text)
    status = _readiness(task, StatusType.ERROR, event, now)
    return Settled(status, _news(task, event), requeue_after_seconds=NAME_TAKEN_SECONDS)


def refused(observed: Observed, refusal: WriteRefused) -> Settled:
    """The run, or a status, is refused: tried again until the limit is over."""
    task, text = observed.task, str(refusal)
    before = None if _ready_reason(task) == reasons.GIVEN_UP else task.status.blocked_since
    block = block_of(before, observed.now, observed.retry_for_seconds)
    is_final = isinstance(refusal.error, FINAL_REFUSALS)
    if block.is_over or is_final:
        end = text if is_final else block.given_up(text)
        event = warning(reasons.GIVEN_UP, f"{end}: edit the Task, or create a TaskRun, to try again")
        status = _readiness(task, StatusType.ERROR, event, observed.now)
        status["conditions"] = _claimed(task, status["conditions"], _unstarted(event), observed.now)
        return Settled(status | {"blocked_since": block.since}, (event,))
    event = warning(reasons.TASK_RUN_REFUSED if refusal.is_create else reasons.STATUS_REFUSED, text)
    status = _readiness(task, StatusType.ERROR, event, observed.now, detail=block.told(text))
    events = _first_news(task, event) if before is None else ()
    return Settled(status | {"blocked_since": block.since}, events, requeue_after_seconds=block.retry_seconds)


def _unstarted(event: Event) -> list[Claim]:
    """The end of a Task without a run."""
    reason, text = event.reason, event.message
    return [(conditions.FINISHED, True, reason, text), (conditions.SUCCEEDED, False, reason, text)]


def _ready_reason(task: Task) -> str:
    ready = conditions.find_condition(task.status.conditions, conditions.READY)
    return ready.reason if ready else ""


def following(task: Task, step: Follow, now: datetime) -> Settled:
    """The Task says what its newest run says; what changed for the worse is an event."""
    news = (*_end_news(task, step), *_edit_news(task, step))
    return Settled(_followed(task, step, now), news, step.look_again_seconds, is_echo=True)


def _followed(task: Task, step: Follow, now: datetime) -> dict[str, Any]:
    event = _event(step)
    notes = [step.detail, reasons.edited_since(step.run) if step.is_edited else ""]
    if step.phase in (LastRunPhase.RUNNING, LastRunPhase.FINAL_ANSWER):
        notes.insert(0, reasons.TASK_RUN_CREATED_DETAIL)
    detail = "; ".join(note for note in notes if note)[:DETAIL_MAX_CHARACTERS]
    status = _readiness(task, _summary(step), event, now, detail=detail)
    status["conditions"] = _told(task, status["conditions"], step, event, now)
    status["last_run"] = LastRun(name=step.run, phase=step.phase)
    status["runs"] = step.runs
    if (step.output, step.result) == (task.status.output, task.status.result):
        return status
    return status | {"output": step.output, "result": step.result}


def _summary(step: Follow) -> StatusType:
    if step.is_broken:
        return StatusType.ERROR
    return StatusType.PENDING if step.phase == LastRunPhase.WAITING else StatusType.READY


def _event(step: Follow) -> Event:
    """What the Task's condition Ready says of its newest run."""
    match step.phase:
        case LastRunPhase.RUNNING | LastRunPhase.FINAL_ANSWER:
            return normal(reasons.TASK_RUN_CREATED, reasons.created_task_run(step.run))
        case LastRunPhase.WAITING:
            return normal(reasons.WAITING, step.detail)
        case LastRunPhase.FAILED:
            return warning(reasons.TASK_RUN_FAILED, step.detail)
        case LastRunPhase.CANCELLED:
            return warning(reasons.TASK_RUN_CANCELLED, step.detail)
        case LastRunPhase.DELETED:
            return warning(reasons.TASK_RUN_DELETED, step.detail)


def _told(task: Task, known: tuple[Condition, ...], step: Follow, event: Event, now: datetime) -> tuple[Condition, ...]:
    """The conditions about the newest run: whether it is over, how it ended, whether the Task was edited since."""
    is_over = step.phase not in (LastRunPhase.RUNNING, LastRunPhase.WAITING)
    is_answered = step.phase == LastRunPhase.FINAL_ANSWER
    text = f'TaskRun "{step.run}"' if not step.detail else step.detail
    claims: list[Claim] = [
        (conditions.FINISHED, is_over, step.phase, text),
        (conditions.SUCCEEDED, is_answered if is_over else None, step.phase, text),
    ]
    if step.is_edited or conditions.find_condition(known, conditions.EDITED) is not None:
        edited = reasons.edited_since(step.run) if step.is_edited else ""
        claims.append((conditions.EDITED, step.is_edited, reasons.TASK_EDITED if edited else "UpToDate", edited))
    return _claimed(task, known, claims, now)


def _claimed(task: Task, known: tuple[Condition, ...], claims: list[Claim], now: datetime) -> tuple[Condition, ...]:
    generation = task.metadata.generation
    told = conditions.with_conditions(known, claims, observed_generation=generation, now=now)
    return conditions.confirmed(told, generation)


def _end_news(task: Task, step: Follow) -> tuple[Event, ...]:
    is_news = task.status.last_run != LastRun(name=step.run, phase=step.phase)
    ended_badly = step.phase in (LastRunPhase.FAILED, LastRunPhase.CANCELLED, LastRunPhase.DELETED)
    return (_event(step),) if is_news and ended_badly else ()


def _edit_news(task: Task, step: Follow) -> tuple[Event, ...]:
    is_news = step.is_edited and not conditions.is_true(task.status.conditions, conditions.EDITED)
    return (warning(reasons.TASK_EDITED, reasons.edited_since(step.run)),) if is_news else ()


def _unless_known(task: Task, event: Event) -> tuple[Event, ...]:
    is_known = task.status.status and task.status.status_detail == event.message
    return () if is_known else (event,)


def _news(task: Task, event: Event) -> tuple[Event, ...]:
    """The event of a Task that has no run yet; its first one says before it that the Task was seen."""
    return _first_news(task, event) if _unless_known(task, event) else ()


def _first_news(task: Task, event: Event) -> tuple[Event, ...]:
    if not task.status.status:
        return (normal(reasons.INITIALIZING, reasons.STARTING_VALIDATION), event)
    return (event,)


def _readiness(task: Task, status: StatusType, event: Event, now: datetime, *, detail: str = "") -> dict[str, Any]:
    changes = readiness(task, status, reason=event.reason, message=event.message, now=now, detail=detail)
    return changes | {"blocked_since": None}
