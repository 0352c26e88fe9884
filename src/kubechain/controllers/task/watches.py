"""Indexes of Tasks and of their runs, and maps from a changed object to the Tasks that depend on it."""

from __future__ import annotations

from kubechain.api.agent import Agent
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

RUNS_BY_TASK = "task"
TASKS_BY_AGENT = "tasks-by-agent"


def run_task_index(run: TaskRun) -> list[str]:
    """The Task that a run names."""
    return [f"{run.metadata.namespace}/{run.spec.task_ref.name}"] if run.spec.task_ref else []


def task_agent_index(task: Task) -> list[str]:
    """The Agent that a Task names."""
    return [f"{task.metadata.namespace}/{task.spec.agent_ref.name}"]


def task_requests_for_run(run: TaskRun) -> list[Request]:
    """The Task that a run names."""
    return [Request(run.metadata.namespace, run.spec.task_ref.name)] if run.spec.task_ref else []


def task_requests_for_agent(tasks: Lister[Task], agent: Agent) -> list[Request]:
    """The Tasks that name an Agent."""
    key = f"{agent.metadata.namespace}/{agent.metadata.name}"
    return [Request(task.metadata.namespace, task.metadata.name) for task in tasks.by_index(TASKS_BY_AGENT, key)]
