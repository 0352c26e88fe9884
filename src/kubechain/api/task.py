"""Task: a request to an agent; its first TaskRun is created from it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubechain.api.message import CONTENT_LIMIT
from kubechain.api.meta import KubeModel, ReadinessStatus, StatusObject
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import NonBlankText, NonNegativeInt, PositiveInt, Schema, Text


class TaskSpec(KubeModel):
    """The agent, the request, and the limits of its runs."""

    agent_ref: LocalObjectReference = Field(description="Agent that does the task.")
    message: NonBlankText = Field(description="What the agent is asked, its first user message.")
    goal: Text | None = Field(default=None, description="Goal of the task; added to the first user message.")
    everything_that_happened_so_far: Annotated[tuple[Text, ...], Schema(max_items=256)] = Field(
        default=(), description="Earlier events that the agent should know; added to the first user message."
    )
    ttl_seconds_after_finished: NonNegativeInt | None = Field(
        default=None, description="Seconds after which a finished run of this task is deleted. Not set: it is kept."
    )
    active_deadline_seconds: PositiveInt | None = Field(
        default=None, description="Seconds that a run of this task may take before it fails."
    )


class TaskStatus(ReadinessStatus):
    """Whether the task was started, and the output of its last run."""

    output: Annotated[str, Schema(max_length=CONTENT_LIMIT)] = Field(
        default="", description="Output of the run that finished last."
    )


class Task(StatusObject[TaskSpec, TaskStatus]):
    """A request to an agent; its first TaskRun is created from it."""

    kind: str = "Task"
    status: TaskStatus = Field(default_factory=TaskStatus)
