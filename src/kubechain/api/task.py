"""Task: something to be done by an agent."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubechain.api.message import CONTENT_LIMIT
from kubechain.api.meta import KubeModel, ReadinessStatus, StatusObject
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import NonBlankText, NonNegativeInt, PositiveInt, Schema, Text


class TaskSpec(KubeModel):
    """Who shall do what."""

    agent_ref: LocalObjectReference = Field(description="Agent that does the task.")
    message: NonBlankText = Field(description="What the agent is asked, its first user message.")
    goal: Text | None = Field(default=None, description="What is to be reached; added to the first user message.")
    everything_that_happened_so_far: Annotated[tuple[Text, ...], Schema(max_items=256)] = Field(
        default=(), description="What the agent should know about the past; added to the first user message."
    )
    ttl_seconds_after_finished: NonNegativeInt | None = Field(
        default=None, description="Seconds after which a finished run of this task is deleted. Not set: it is kept."
    )
    active_deadline_seconds: PositiveInt | None = Field(
        default=None, description="Seconds that a run of this task may take before it fails."
    )


class TaskStatus(ReadinessStatus):
    """Whether the task could be started, and what came out."""

    output: Annotated[str, Schema(max_length=CONTENT_LIMIT)] = Field(
        default="", description="Output of the run that finished last."
    )


class Task(StatusObject[TaskSpec, TaskStatus]):
    """Something to be done by an agent."""

    kind: str = "Task"
    status: TaskStatus = Field(default_factory=TaskStatus)
