"""Task's control loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import structlog

from kubechain.api import reasons
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun
from kubechain.controllers import frame
from kubechain.controllers.frame import Again, Done, Settled, StatusWriter
from kubechain.controllers.task import settle
from kubechain.controllers.task.created import QUIET_SECONDS, CreatedRuns
from kubechain.controllers.task.decide import decide, deleted
from kubechain.controllers.task.effects import create_run, delete_run, exists
from kubechain.controllers.task.observe import Observed, Observer
from kubechain.controllers.task.outcomes import NameTaken, RunCreated
from kubechain.controllers.task.steps import Adopt, CreateRun, Follow, LookForRun, Prune, Step, Wait
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

log = structlog.get_logger(__name__)

PRUNE_AGAIN_SECONDS = 300.0
"""Before a deletion that the API server refused is tried again."""


@dataclass(frozen=True, slots=True)
class TaskReconciler:
    """Creates the first run of every Task, says of the Task what its newest run says, and deletes runs of long ago."""

    tasks: Lister[Task]
    observer: Observer
    created: CreatedRuns
    writer: StatusWriter[Task]
    clock: Clock

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type, ...]] = (CreateRun, Prune)

    async def reconcile(self, request: Request) -> Result:
        """Take one Task a step further."""
        return await frame.reconcile(self, self.tasks, request)

    async def observe(self, obj: Task) -> Observed:
        """Read the Task's Agent and its runs."""
        return self.observer.observe(obj)

    def decide(self, observed: Observed) -> Step | Done:
        """The next step for one Task."""
        return decide(observed)

    async def carry_out(self, observed: Observed, step: Step) -> Again[Task] | Done:
        """Create or record the first run, follow the newest one, or delete old ones."""
        if isinstance(step, CreateRun):
            return await self._create(observed, step.name)
        if isinstance(step, Prune):
            return await self._prune(observed.task, step.runs)
        if isinstance(step, Follow) and step.is_before_prune:
            # Our own write wakes nobody: the same reconcile goes on to the deletion.
            return Again(await self.writer.write(observed.task, settle.following(observed.task, step, observed.now)))
        done = await self.writer.finish(observed.task, await self._settled(observed, step))
        if isinstance(step, Adopt):
            self.created.said(observed.task)
        return done

    def refused(self, observed: Observed, refusal: WriteRefused) -> Settled:
        """The run, or the Task's status, is refused."""
        return settle.refused(observed, refusal)

    async def forget(self, request: Request) -> None:
        """Forget what was created for a Task that is gone."""
        self.created.forget(request)

    async def _create(self, observed: Observed, name: str) -> Done:
        """Create the run, and keep quiet about it for a moment: it may end within that, and is said once."""
        task = observed.task
        match await create_run(self.writer.client, task, name):
            case RunCreated(made):
                self.created.remember(task, made)
                return Done(QUIET_SECONDS)
            case NameTaken(taken):
                return await self.writer.finish(task, settle.name_taken(task, taken, observed.now))

    async def _prune(self, task: Task, runs: Sequence[TaskRun]) -> Again[Task] | Done:
        """Delete runs, and go on to count those that are left.

        One whose deletion is refused keeps no other one from it, and changes nothing about the Task.
        """
        deleted_count = refused_count = 0
        for run in runs:
            try:
                is_deleted = await delete_run(self.writer.client, run)
            except WriteRefused as refusal:
                self.writer.recorder.event(task, "Warning", reasons.HISTORY_NOT_PRUNED, str(refusal))
                refused_count += 1
                continue
            if is_deleted:
                self._tell_deleted(task, run)
                deleted_count += 1
        if deleted_count:
            return Again(task)
        # What is gone already is in the cache in a moment, and that wakes the Task.
        return Done(PRUNE_AGAIN_SECONDS if refused_count else None)

    def _tell_deleted(self, task: Task, run: TaskRun) -> None:
        text = reasons.history_pruned(run.metadata.name, str(run.status.phase))
        self.writer.recorder.event(task, "Normal", reasons.HISTORY_PRUNED, text)
        log.info("run deleted", run=run.metadata.name, reason=reasons.HISTORY_PRUNED)

    async def _settled(self, observed: Observed, step: Wait | Adopt | LookForRun | Follow) -> Settled:
        task, now = observed.task, observed.now
        match step:
            case Wait():
                return settle.waiting(task, step, now)
            case Adopt():
                return settle.adopted(task, step, now)
            case LookForRun(name):
                is_there = await exists(self.writer.client, task, name)
                return Settled() if is_there else settle.following(task, deleted(observed, name), now)
            case Follow():
                return settle.following(task, step, now)
