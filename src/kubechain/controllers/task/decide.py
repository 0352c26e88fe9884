"""What a Task does next: pure, complete by type check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kubechain.api import conditions, names, reasons
from kubechain.api.conditions import find_condition, is_true
from kubechain.api.meta import StatusType
from kubechain.api.schema import JsonObject
from kubechain.api.task import LastRun, LastRunPhase, RunCounts, Task
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import continued
from kubechain.controllers.frame import Done
from kubechain.controllers.task import history
from kubechain.controllers.task.observe import Observed
from kubechain.controllers.task.steps import Adopt, CreateRun, Follow, LookForRun, Prune, Step, Wait
from kubechain.tools import typedanswers

UNSEEN_SECONDS = 5.0
"""How long a run that was just created may be missing in the cache before the server is asked for it."""

_ENDS = {
    TaskRunPhase.FINAL_ANSWER: LastRunPhase.FINAL_ANSWER,
    TaskRunPhase.FAILED: LastRunPhase.FAILED,
    TaskRunPhase.CANCELLED: LastRunPhase.CANCELLED,
}


def decide(observed: Observed) -> Step | Done:
    """The next step for one Task."""
    if not observed.has_created_run:
        return _start(observed)
    run = observed.newest_run
    if run is None:
        return _without_run(observed)
    follow = _follow(observed, run)
    # What the Task says of its runs is recorded before any of them is gone.
    surplus = history.surplus(observed.runs, run, observed.task.spec.history_limit)
    due = tuple(one for one in surplus if one.metadata.name not in observed.awaited)
    if len(due) < len(surplus):
        follow = replace(follow, look_again_seconds=continued.LOOK_AGAIN_SECONDS)
    if not due:
        return follow
    return Prune(due) if _says(observed.task, follow) else replace(follow, is_before_prune=True)


def _says(task: Task, follow: Follow) -> bool:
    """Whether the Task's status says how its runs are and what they have answered."""
    status, newest = task.status, LastRun(name=follow.run, phase=follow.phase)
    said = (status.last_run, status.runs, status.output, status.result)
    return said == (newest, follow.runs, follow.output, follow.result)


def _start(observed: Observed) -> Step | Done:
    if (name := observed.created_name) is not None:
        return _adopt(observed, name)
    if observed.has_given_up:
        return Done()
    name = observed.task.spec.agent_ref.name
    if observed.agent is None:
        return Wait(reasons.waiting_to_exist("agent", name))
    status = observed.agent.status
    if status.status != StatusType.READY:
        detail = reasons.with_cause(reasons.waiting_for_agent(name), status.status_detail)
        return Wait(detail, is_broken=status.status == StatusType.ERROR)
    if flaw := typedanswers.flaw(observed.task.spec.output_schema):
        return Wait(flaw, is_broken=True)
    return CreateRun(names.task_run_name(observed.task.metadata.name, 1))


def _adopt(observed: Observed, name: str) -> Adopt | Done:
    """The first run exists: a run that ends at once is said together with its end."""
    run, created = observed.newest_run, observed.created
    follow = _follow(observed, run) if run is not None else _unseen(observed, name)
    if created is not None and created.quiet_seconds and follow.phase not in _ENDS.values():
        return Done(created.quiet_seconds)
    return Adopt(name, follow)


def _unseen(observed: Observed, name: str) -> Follow:
    """What a Task says whose first run was created, and is in no cache yet."""
    known, runs = observed.task.status, RunCounts(active=1, succeeded=0, failed=0)
    return Follow(name, LastRunPhase.RUNNING, runs, known.output, known.result)


def counts(runs: Iterable[TaskRun]) -> RunCounts:
    """The runs by their end."""
    ends = [_ENDS.get(run.status.phase) if run.status.phase else None for run in runs]
    succeeded, active = ends.count(LastRunPhase.FINAL_ANSWER), ends.count(None)
    return RunCounts(active=active, succeeded=succeeded, failed=len(ends) - active - succeeded)


def _follow(observed: Observed, run: TaskRun) -> Follow:
    phase = _ENDS.get(run.status.phase) if run.status.phase else None
    if phase is None:
        phase = LastRunPhase.WAITING if _trouble(run) else LastRunPhase.RUNNING
    output, result = _answer(observed)
    return Follow(
        run=run.metadata.name,
        phase=phase,
        runs=counts(observed.runs),
        output=output,
        result=result,
        detail=_detail(run, phase),
        is_broken=run.status.status == StatusType.ERROR or run.status.error is not None,
        is_edited=observed.is_edited_since(run),
    )


def _trouble(run: TaskRun) -> str:
    """What keeps a run from going on, in words that stay the same between its attempts; empty for nothing."""
    if run.status.error and run.status.open_budget_request is None:
        return f"trying again: {run.status.error}"
    is_waiting = run.status.status in (StatusType.PENDING, StatusType.ERROR)
    return run.status.status_detail if is_waiting else ""


def _detail(run: TaskRun, phase: LastRunPhase) -> str:
    subject = f'TaskRun "{run.metadata.name}"'
    match phase:
        case LastRunPhase.RUNNING | LastRunPhase.FINAL_ANSWER:
            return ""
        case LastRunPhase.WAITING:
            return f"{subject}: {_trouble(run)}"
        case LastRunPhase.FAILED:
            return f"{subject} failed: {run.status.error or run.status.status_detail}"
        case LastRunPhase.CANCELLED:
            return f"{subject} was cancelled"
        case LastRunPhase.DELETED:
            return reasons.run_deleted(run.metadata.name)


def _without_run(observed: Observed) -> Step | Done:
    """No run is in the cache: the newest was deleted, or the cache does not have it yet."""
    last = observed.task.status.last_run
    if last is None:
        return Done()
    match last.phase:
        case LastRunPhase.RUNNING | LastRunPhase.WAITING:
            left = UNSEEN_SECONDS - observed.seconds_since_creation
            return LookForRun(last.name) if left <= 0 else Done(left)
        case LastRunPhase.FINAL_ANSWER:
            return deleted(observed, last.name, LastRunPhase.FINAL_ANSWER)
        case LastRunPhase.FAILED | LastRunPhase.CANCELLED | LastRunPhase.DELETED:
            return _counted_anew(observed, last)


def _counted_anew(observed: Observed, last: LastRun) -> Follow | Done:
    """The newest run ended badly and is gone: the Task still says how it ended, and does not count it any more."""
    status, runs = observed.task.status, counts(observed.runs)
    if status.runs in (None, runs):
        return Done()
    told = find_condition(status.conditions, conditions.SUCCEEDED)
    return Follow(
        run=last.name,
        phase=last.phase,
        runs=runs,
        output=status.output,
        result=status.result,
        detail=told.message if told is not None else "",
        is_broken=status.status == StatusType.ERROR,
        is_edited=is_true(status.conditions, conditions.EDITED),
    )


def deleted(observed: Observed, name: str, phase: LastRunPhase = LastRunPhase.DELETED) -> Follow:
    """What a Task says whose newest run is gone: one that had answered is not an error."""
    return Follow(
        run=name,
        phase=phase,
        runs=counts(observed.runs),
        output=observed.task.status.output,
        result=observed.task.status.result,
        detail=reasons.run_deleted(name),
        is_broken=phase == LastRunPhase.DELETED,
        is_edited=is_true(observed.task.status.conditions, conditions.EDITED),
    )


def _answer(observed: Observed) -> tuple[str, JsonObject | None]:
    """Output and result of the run that finished last; deleted runs leave the Task's own record as it is."""
    answered = [run for run in observed.finished_runs if run.status.phase == TaskRunPhase.FINAL_ANSWER]
    status = answered[-1].status if answered else observed.task.status
    return status.output, status.result
