"""Tasks at points of their life, and what their control loop sees of them."""

from __future__ import annotations

from typing import Any

from kubechain.api.task import LastRunPhase, RunCounts, Task
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers.frame import next_version
from kubechain.controllers.task import settle
from kubechain.controllers.task.observe import Observed
from kubechain.controllers.task.steps import Adopt, Follow
from test.controllers.builders import NOW, a_run, a_task, an_agent, later

NEW = a_task(status=None)


def started(**spec: Any) -> Task:
    task = a_task(status=None, **spec)
    return next_version(task, settle.adopted(task, adopted(), NOW))


def adopted(phase: LastRunPhase = LastRunPhase.RUNNING, **changes: Any) -> Adopt:
    """The first run, recorded together with what it says."""
    return Adopt("hello-1", followed(phase, **changes))


def finished(
    name: str, output: str, *, at: float, phase: TaskRunPhase = TaskRunPhase.FINAL_ANSWER, **status: Any
) -> TaskRun:
    """A run that was created and ended at a time."""
    run = a_run(name, phase=phase, output=output, completion_time=later(at), **status)
    metadata = run.metadata.with_changes(creation_timestamp=later(at))
    return run.model_copy(update={"metadata": metadata})


def followed(phase: LastRunPhase, name: str = "hello-1", **changes: Any) -> Follow:
    """What the newest run says, as of a Task that has no other, unless `runs` says otherwise."""
    values: dict[str, Any] = {"output": "", "runs": ONE_RUN[phase]}
    return Follow(name, phase, **(values | changes))


def runs(active: int = 0, succeeded: int = 0, failed: int = 0) -> RunCounts:
    return RunCounts(active=active, succeeded=succeeded, failed=failed)


ONE_RUN = {
    LastRunPhase.RUNNING: runs(active=1),
    LastRunPhase.WAITING: runs(active=1),
    LastRunPhase.FINAL_ANSWER: runs(succeeded=1),
    LastRunPhase.FAILED: runs(failed=1),
    LastRunPhase.CANCELLED: runs(failed=1),
    LastRunPhase.DELETED: runs(),
}


def following(task: Task, step: Follow) -> Task:
    """The Task after a step."""
    return next_version(task, settle.following(task, step, NOW))


def seen(task: Task = NEW, **changes: Any) -> Observed:
    values: dict[str, Any] = {"agent": an_agent(), "runs": (), "now": NOW}
    return Observed(task=task, **(values | changes))
