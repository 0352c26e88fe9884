"""Task's control loop."""

from __future__ import annotations

from kubechain.api.agent import Agent
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.frame import Settled, StatusWriter
from kubechain.controllers.resources import TASKS
from kubechain.controllers.task import effects, settle
from kubechain.controllers.task.decide import Adopt, CreateRun, Follow, Wait, decide
from kubechain.controllers.task.effects import RunCreated
from kubechain.controllers.task.observe import Observed
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

RUNS_BY_TASK = "task"
TASKS_BY_AGENT = "tasks-by-agent"


class TaskReconciler:
    """Keeps every Task's first run made and its `output` current."""

    def __init__(
        self,
        *,
        tasks: Lister[Task],
        agents: Lister[Agent],
        runs: Lister[TaskRun],
        client: Client,
        writer: StatusWriter,
        clock: Clock,
    ) -> None:
        self._tasks = tasks
        self._agents = agents
        self._runs = runs
        self._client = client
        self._writer = writer
        self._clock = clock

    async def reconcile(self, request: Request) -> Result:
        """Bring one Task a step further."""
        task = self._tasks.get(request.namespace, request.name)
        if task is None or task.metadata.deletion_timestamp is not None:
            return Result()
        settled = await self._carry_out(self._observe(task))
        await self._writer.write(TASKS, task, settled)
        return Result(requeue_after_seconds=settled.requeue_after_seconds)

    def _observe(self, task: Task) -> Observed:
        namespace = task.metadata.namespace
        return Observed(
            task=task,
            agent=self._agents.get(namespace, task.spec.agent_ref.name),
            runs=tuple(self._runs.by_index(RUNS_BY_TASK, f"{namespace}/{task.metadata.name}")),
            now=self._clock.now(),
        )

    async def _carry_out(self, observed: Observed) -> Settled:
        task, now = observed.task, observed.now
        match decide(observed):
            case Wait() as step:
                return settle.waiting(task, step, now)
            case CreateRun(name):
                return settle.created(task, await effects.create_run(self._client, task, name), now)
            case Adopt(name):
                return settle.created(task, RunCreated(name), now)
            case Follow() as step:
                return settle.following(task, step)


def run_task_index(run: TaskRun) -> list[str]:
    """Index of runs by the Task that they name."""
    return [f"{run.metadata.namespace}/{run.spec.task_ref.name}"] if run.spec.task_ref else []


def task_agent_index(task: Task) -> list[str]:
    """Index of Tasks by their Agent."""
    return [f"{task.metadata.namespace}/{task.spec.agent_ref.name}"]


def task_requests_for_run(run: TaskRun) -> list[Request]:
    """The Task that a run names."""
    return [Request(run.metadata.namespace, run.spec.task_ref.name)] if run.spec.task_ref else []


def task_requests_for_agent(tasks: Lister[Task], agent: Agent) -> list[Request]:
    """The Tasks that wait for an Agent, and those that do not: they find nothing to do."""
    key = f"{agent.metadata.namespace}/{agent.metadata.name}"
    return [Request(task.metadata.namespace, task.metadata.name) for task in tasks.by_index(TASKS_BY_AGENT, key)]
