"""Task: a request to an agent; its first TaskRun is created from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from kubechain.api import conditions
from kubechain.api.message import CONTENT_LIMIT
from kubechain.api.meta import UNSEEN, KubeModel, MicroTime, ReadinessStatus, StatusObject
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import Json, Name, NonBlankText, NonNegativeInt, OutputSchema, PositiveInt, Schema, Text


class HistoryLimit(KubeModel):
    """How many finished runs of a task are kept; older ones are deleted, by the time of their end.

    A run that is not over is never deleted, nor is the newest run of the task, which its status tells of.
    """

    succeeded: NonNegativeInt | None = Field(
        default=None, description="Runs that have answered and are kept. Not set: all of them."
    )
    failed: NonNegativeInt | None = Field(
        default=None,
        description="Runs that ended in another way, failed or cancelled, and are kept. Not set: all of them.",
    )


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
    history_limit: HistoryLimit | None = Field(
        default=None,
        description="How many finished runs of the task are kept, besides its newest run; the oldest are deleted. Not "
        "set: all of them, unless ttlSecondsAfterFinished deletes them earlier.",
    )
    active_deadline_seconds: PositiveInt | None = Field(
        default=None, description="Seconds that a run of this task may take before it fails."
    )
    output_schema: OutputSchema | None = Field(
        default=None,
        description="JSON schema of an object that the answer must be; status.result has it. Not set: as the Agent "
        "says, else the answer is any text.",
    )


class LastRunPhase(StrEnum):
    """How the newest run of a task is; the last four are ends."""

    RUNNING = "Running"
    WAITING = "Waiting"
    FINAL_ANSWER = "FinalAnswer"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    DELETED = "Deleted"


class LastRun(KubeModel):
    """The newest run of a task."""

    name: Name = Field(description="Name of the TaskRun.")
    phase: LastRunPhase = Field(
        description="Running; Waiting: it waits for something, or tries again, and statusDetail says why; "
        "FinalAnswer, Failed or Cancelled: how it ended; Deleted: it was deleted before its end."
    )


class RunCounts(KubeModel):
    """The runs of a task that there are; a deleted one is not counted."""

    active: NonNegativeInt = Field(description="Runs that are not over.")
    succeeded: NonNegativeInt = Field(description="Runs that have answered.")
    failed: NonNegativeInt = Field(description="Runs that ended in another way: failed or cancelled.")


class TaskStatus(ReadinessStatus):
    """How the newest run of the task is, and the output of the run that finished last."""

    condition_types: ClassVar[Mapping[str, str]] = {
        conditions.FINISHED: f"about the newest run: {conditions.FINISHED_DOC}, or deleted",
        conditions.SUCCEEDED: f"about the newest run: {conditions.SUCCEEDED_DOC}",
        conditions.READY: "True while the newest run goes on, and when it has answered; "
        "False while it waits for something, and after another end",
        conditions.RUN_CREATED: "the first run was created; it is not created again",
        conditions.EDITED: "the spec was edited after the newest run began, which has no effect on that run",
    }

    output: Annotated[str, Schema(max_length=CONTENT_LIMIT)] = Field(
        default="", description="Output of the run that finished last."
    )
    result: Json | None = Field(default=None, description="Result of the run that finished last, where it has one.")
    last_run: LastRun | None = Field(default=None, description="The newest run of the task.")
    runs: RunCounts | None = Field(default=None, description="The runs of the task that there are, by their end.")
    blocked_since: MicroTime | None = Field(
        default=None,
        description="Since when the API server refuses the task's first run; limits.retryFor of the Agent counts from "
        "here.",
    )


class Task(StatusObject[TaskSpec, TaskStatus]):
    """A request to an agent; its first TaskRun is created from it."""

    kind: str = "Task"
    status: Annotated[TaskStatus, UNSEEN] = Field(default_factory=TaskStatus)

    @property
    def request_sha(self) -> str:
        """SHA-256 of what a run takes from the Task when it begins: agent, message, goal, history, schema."""
        spec = self.spec
        request: list[Any] = [spec.agent_ref.name, spec.message, spec.goal, *spec.everything_that_happened_so_far]
        if spec.output_schema is not None:
            request.append(spec.output_schema)
        return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
