"""A Task, its Agent and all runs that name it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kubechain.api.agent import Agent
from kubechain.api.conditions import is_true
from kubechain.api.meta import is_owned_by
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun

RUN_CREATED = "RunCreated"
"""Condition that a Task carries once its first run was made: deleting that run must not bring it back."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is known about a Task."""

    task: Task
    agent: Agent | None
    runs: tuple[TaskRun, ...]
    now: datetime

    @property
    def has_created_run(self) -> bool:
        """Whether the first run was made at any time, even if it is gone by now."""
        return is_true(self.task.status.conditions, RUN_CREATED)

    @property
    def first_run(self) -> TaskRun | None:
        """The run that the Task itself made."""
        return next((run for run in self.runs if is_owned_by(run, self.task)), None)

    @property
    def finished_runs(self) -> list[TaskRun]:
        """Runs that have ended, the one that finished last at the end."""
        ended = [run for run in self.runs if run.status.completion_time is not None]
        return sorted(ended, key=lambda run: (run.status.completion_time, run.metadata.name))
