"""The first runs that this process created and whose Tasks do not say so yet.

Only what saves a write is kept here: a Task whose run ends at once says it once. Nothing depends on it: a process that
knows nothing finds the run in its cache and records it. What is lost with the process is that a run was made which a
person deleted within the same second: it is made again, as after a crash between the creation and its record.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kubechain.api.task import Task
from kubechain.runtime.clock import Clock
from kubechain.runtime.keys import Request

QUIET_SECONDS = 1.0
"""How long a Task may keep quiet about its run: people hardly see it, and a run that ends within it is said once."""


@dataclass(frozen=True, slots=True)
class CreatedRun:
    """A run that this process created.

    Attributes:
        quiet_seconds: How long its Task may still keep quiet about it; 0 when the time is over.
    """

    name: str
    quiet_seconds: float


@dataclass(frozen=True, slots=True)
class CreatedRuns:
    """Remembers what was created, for each Task, until the Task says it or is gone."""

    clock: Clock
    _names: dict[Request, tuple[str, str, float]] = field(default_factory=dict[Request, tuple[str, str, float]])

    def remember(self, task: Task, name: str) -> None:
        """A run of the Task was created just now."""
        self._names[_key(task)] = (task.metadata.uid, name, self.clock.monotonic())

    def of(self, task: Task) -> CreatedRun | None:
        """What was created for this Task, and not for an earlier one of its name."""
        uid, name, at = self._names.get(_key(task), ("", "", 0.0))
        if uid != task.metadata.uid:
            return None
        return CreatedRun(name, max(0.0, at + QUIET_SECONDS - self.clock.monotonic()))

    def said(self, task: Task) -> None:
        """The Task says it."""
        self.forget(_key(task))

    def forget(self, request: Request) -> None:
        """The Task of that name is gone."""
        self._names.pop(request, None)


def _key(task: Task) -> Request:
    return Request(task.metadata.namespace, task.metadata.name)
