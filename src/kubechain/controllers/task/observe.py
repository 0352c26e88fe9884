"""A Task, its Agent and all runs that name it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kubechain.api import reasons
from kubechain.api.agent import Agent
from kubechain.api.conditions import READY, RUN_CREATED, find_condition, is_true
from kubechain.api.meta import is_owned_by
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.continued import is_awaited
from kubechain.controllers.retrylimit import retry_for_seconds_of
from kubechain.controllers.task.created import CreatedRun, CreatedRuns
from kubechain.controllers.task.watches import RUNS_BY_TASK
from kubechain.runtime.clock import Clock
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about a Task depends on.

    Attributes:
        awaited: Names of those runs that others wait to continue; looked for only where the Task has a limit.
        created: The first run, if this process created it and the Task does not say so yet.
    """

    task: Task
    agent: Agent | None
    runs: tuple[TaskRun, ...]
    now: datetime
    created: CreatedRun | None = None
    awaited: frozenset[str] = frozenset()

    @property
    def has_created_run(self) -> bool:
        """Whether the first run was created at any time, even if it is gone now."""
        return is_true(self.task.status.conditions, RUN_CREATED)

    @property
    def has_given_up(self) -> bool:
        """Whether the run was refused for as long as the limit allows; an edit of the Task begins anew."""
        ready = find_condition(self.task.status.conditions, READY)
        is_same = self.task.status.observed_generation == self.task.metadata.generation
        return is_same and ready is not None and ready.reason == reasons.GIVEN_UP

    @property
    def retry_for_seconds(self) -> float:
        """How long the Task goes on trying what is refused: the limit of its Agent."""
        return retry_for_seconds_of(self.agent)

    @property
    def first_run(self) -> TaskRun | None:
        """The run that the Task created."""
        return next((run for run in self.runs if is_owned_by(run, self.task)), None)

    @property
    def created_name(self) -> str | None:
        """The name of the run that the Task created, seen or remembered; None where there is none."""
        if self.first_run is not None:
            return self.first_run.metadata.name
        return self.created.name if self.created is not None else None

    @property
    def newest_run(self) -> TaskRun | None:
        """The run that was created last; of those of one second, a rerun is newer than the Task's own run."""
        return max(self.runs, key=self._age, default=None)

    def _age(self, run: TaskRun) -> tuple[float, bool, str]:
        created_at = run.metadata.creation_timestamp
        return created_at.timestamp() if created_at else 0.0, not is_owned_by(run, self.task), run.metadata.name

    @property
    def seconds_since_creation(self) -> float:
        """How long ago the first run was created."""
        created = find_condition(self.task.status.conditions, RUN_CREATED)
        return (self.now - created.last_transition_time).total_seconds() if created else 0.0

    def is_edited_since(self, run: TaskRun) -> bool:
        """Whether the Task now asks something else than when the run began."""
        pinned = run.status.pinned
        return pinned is not None and pinned.task_sha not in (None, self.task.request_sha)

    @property
    def finished_runs(self) -> list[TaskRun]:
        """Runs that have ended, the one that finished last at the end."""
        ended = [run for run in self.runs if run.status.completion_time is not None]
        return sorted(ended, key=lambda run: (run.status.completion_time, run.metadata.name))


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads what a decision about a Task needs from the caches."""

    agents: Lister[Agent]
    runs: Lister[TaskRun]
    created: CreatedRuns
    clock: Clock

    def observe(self, task: Task) -> Observed:
        """Read everything, change nothing."""
        namespace = task.metadata.namespace
        runs = tuple(self.runs.by_index(RUNS_BY_TASK, f"{namespace}/{task.metadata.name}"))
        return Observed(
            task=task,
            agent=self.agents.get(namespace, task.spec.agent_ref.name),
            runs=runs,
            now=self.clock.now(),
            created=self.created.of(task),
            awaited=self._awaited(runs) if task.spec.history_limit is not None else frozenset(),
        )

    def _awaited(self, runs: tuple[TaskRun, ...]) -> frozenset[str]:
        return frozenset(run.metadata.name for run in runs if is_awaited(self.runs, run))
