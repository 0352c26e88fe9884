"""A TaskRun, what it depends on, and what became of the process that claimed its model call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kubechain.api.agent import Agent
from kubechain.api.llm import LLM
from kubechain.api.meta import is_owned_by
from kubechain.api.references import LocalObjectReference
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers.offers import Found


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is known about a run before anything is decided.

    Attributes:
        task: None when the run names none, or when it does not exist.
        agent: The run's own, else its Task's; None when it does not exist (any more).
        llm: The pinned one once the run has begun, else the Agent's.
        tools: What the model may call: the Agent's offers, and once the run has begun what became of the pinned ones.
        calls: The objects of the run's tool calls, by name.
        holder_gone_in_seconds: For a claim found in the status: 0 when nobody works on it any more, else how long to
            wait before asking again.
    """

    run: TaskRun
    task: Task | None
    agent: Agent | None
    llm: LLM | None
    now: datetime
    tools: tuple[Found, ...] = ()
    calls: Mapping[str, TaskRunToolCall] = field(default_factory=dict[str, TaskRunToolCall])
    holder_gone_in_seconds: float = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether the conversation is pinned: from then on edits of Agent and Task change nothing."""
        return self.run.status.pinned is not None

    @property
    def is_own_run_of_task(self) -> bool:
        """Whether the Task itself made this run, so that it has found its Agent ready already."""
        return self.task is not None and is_owned_by(self.run, self.task)

    @property
    def agent_name(self) -> str:
        """The Agent's name, empty while the Task that would name it is missing."""
        reference = agent_reference(self.run, self.task)
        return reference.name if reference else ""

    @property
    def llm_name(self) -> str:
        """The LLM's name, empty while the Agent that would name it is missing."""
        if self.run.status.pinned is not None:
            return self.run.status.pinned.llm_name
        return self.agent.spec.llm_ref.name if self.agent else ""


def agent_reference(run: TaskRun, task: Task | None) -> LocalObjectReference | None:
    """The Agent that does the work: the run's own overrides its Task's."""
    return run.spec.agent_ref or (task.spec.agent_ref if task else None)
