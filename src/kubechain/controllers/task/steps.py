"""What a Task does next: one frozen value for each step."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubechain.api.schema import JsonObject
from kubechain.api.task import LastRunPhase, RunCounts
from kubechain.api.taskrun import TaskRun


@dataclass(frozen=True, slots=True)
class Wait:
    """The Agent cannot take the Task yet.

    Attributes:
        is_broken: Whether waiting alone will not help.
    """

    detail: str
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class CreateRun:
    """Create the first run, under its deterministic name."""

    name: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """Record the first run, which exists, and say of the Task what its newest run says.

    Attributes:
        name: Of the first run.
        follow: What the newest run says, which nearly always is the first one.
    """

    name: str
    follow: Follow


@dataclass(frozen=True, slots=True)
class LookForRun:
    """Read the newest run from the server: it had not ended, and it is not in the cache."""

    name: str


@dataclass(frozen=True, slots=True)
class Follow:
    """Say of the Task what its newest run says.

    Attributes:
        run: Name of the newest run.
        output: Of the run that finished last; empty while no run has answered.
        result: Of the same run; None where its answer has no type.
        detail: What is to be said of the run; empty while it goes on, and when it has answered.
        is_broken: Whether the Task is in error by it.
        is_edited: Whether the Task was edited after the run began.
        runs: All runs of the Task that there are, by their end.
        is_before_prune: Whether finished runs are deleted once this is said.
        look_again_seconds: When to decide anew where a run is kept that another one waits to continue; None for no run.
    """

    run: str
    phase: LastRunPhase
    runs: RunCounts
    output: str = field(repr=False)
    result: JsonObject | None = field(default=None, repr=False)
    detail: str = ""
    is_broken: bool = False
    is_edited: bool = False
    is_before_prune: bool = False
    look_again_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Prune:
    """Delete finished runs of which the Task keeps no more, the oldest first; its status has said what they said."""

    runs: tuple[TaskRun, ...]


Step = Wait | CreateRun | Adopt | LookForRun | Follow | Prune
