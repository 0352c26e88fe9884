"""Indexes of runs, and maps from a changed object to the runs that must be reconciled for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kubechain.api.agent import Agent
from kubechain.api.conditions import LIMIT_REACHED, is_true
from kubechain.api.llm import LLM
from kubechain.api.meta import StatusObject
from kubechain.api.namespacebudget import Budget
from kubechain.api.references import LocalObjectReference
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers import fallbackusers, resources
from kubechain.controllers.continued import UNBEGUN_BY_SOURCE, is_unbegun, unbegun_by_source
from kubechain.controllers.spending import SpendingReader
from kubechain.runtime.keys import Request
from kubechain.runtime.resource import Resource
from kubechain.runtime.store import Lister

UNBEGUN_BY_TASK = "unbegun-by-task"
UNBEGUN_BY_AGENT = "unbegun-by-agent"
BEGUN_BY_LLM = "begun-by-llm"
BEGUN_BY_TOOL_SOURCE = "begun-by-tool-source"
WAITING_BY_BUDGET = "waiting-by-budget"
UNBEGUN_BY_LLM = "unbegun-by-llm"
STOPPED_BY_AGENT = "stopped-by-agent"
EARLIER_CALLS_BY_RUN = "earlier-calls-by-run"
TASKS_BY_AGENT = "runs-tasks-by-agent"
AGENTS_BY_LLM = "runs-agents-by-llm"


def _waiting_for(run: TaskRun, reference: LocalObjectReference | None) -> list[str]:
    return [key(run, reference.name)] if reference is not None and is_unbegun(run) else []


def unbegun_by_task(run: TaskRun) -> list[str]:
    """Runs that may still wait for the Task that they name."""
    return _waiting_for(run, run.spec.task_ref)


def unbegun_by_agent(run: TaskRun) -> list[str]:
    """Runs that may still wait for an Agent of their own."""
    return _waiting_for(run, run.spec.agent_ref)


def unbegun_by_llm(run: TaskRun) -> list[str]:
    """Runs that may still wait for an LLM of their own."""
    return _waiting_for(run, run.spec.llm_ref)


def stopped_by_agent(run: TaskRun) -> list[str]:
    """Unfinished runs that are stopped at a limit, by the Agent that they are pinned to."""
    pinned = run.status.pinned
    is_stopped = run.status.completion_time is None and is_true(run.status.conditions, LIMIT_REACHED)
    return [key(run, pinned.agent_name)] if pinned and is_stopped else []


def waiting_by_budget(run: TaskRun) -> list[str]:
    """Unfinished runs by the Budget that they wait for."""
    budget = run.status.waiting_for_budget
    return [key(run, budget)] if budget and run.status.completion_time is None else []


def begun_by_llm(run: TaskRun) -> list[str]:
    """Unfinished runs by the LLM that they are pinned to, and by its fallbacks."""
    pinned = run.status.pinned
    if pinned is None or run.status.completion_time is not None:
        return []
    return [key(run, name) for name in (pinned.llm_name, *(one.name for one in pinned.fallbacks))]


def begun_by_tool_source(run: TaskRun) -> list[str]:
    """Unfinished runs by the objects that provide their tools, as `Kind/namespace/name`."""
    if run.status.pinned is None or run.status.completion_time is not None:
        return []
    return [f"{tool.kind}/{run.metadata.namespace}/{tool.object}" for tool in run.status.pinned.tools if tool.object]


def earlier_calls_by_run(call: TaskRunToolCall) -> list[str]:
    """Calls that an earlier release made, by their run: ours carry the hash of their content."""
    return [] if call.spec.args_sha else [f"{call.metadata.namespace}/{call.spec.task_run_ref.name}"]


def tasks_by_agent(task: Task) -> list[str]:
    """Tasks by the Agent that they name."""
    return [key(task, task.spec.agent_ref.name)]


def agents_by_llm(agent: Agent) -> list[str]:
    """Agents by the LLM that they name."""
    return [key(agent, agent.spec.llm_ref.name)]


def key(obj: TaskRun | Task | Agent | LLM | Budget, name: str) -> str:
    """Index value: references stay within the namespace of who refers."""
    return f"{obj.metadata.namespace}/{name}"


INDEXES: Sequence[tuple[Resource[Any], str, Callable[[Any], list[str]]]] = (
    (resources.TASK_RUNS, UNBEGUN_BY_TASK, unbegun_by_task),
    (resources.TASK_RUNS, UNBEGUN_BY_AGENT, unbegun_by_agent),
    (resources.TASK_RUNS, UNBEGUN_BY_SOURCE, unbegun_by_source),
    (resources.TASK_RUNS, UNBEGUN_BY_LLM, unbegun_by_llm),
    (resources.TASK_RUNS, STOPPED_BY_AGENT, stopped_by_agent),
    (resources.TASK_RUNS, WAITING_BY_BUDGET, waiting_by_budget),
    (resources.TASK_RUNS, BEGUN_BY_LLM, begun_by_llm),
    (resources.TASK_RUNS, BEGUN_BY_TOOL_SOURCE, begun_by_tool_source),
    (resources.TOOL_CALLS, EARLIER_CALLS_BY_RUN, earlier_calls_by_run),
    (resources.TASKS, TASKS_BY_AGENT, tasks_by_agent),
    (resources.AGENTS, AGENTS_BY_LLM, agents_by_llm),
)


@dataclass(frozen=True, slots=True)
class Wakers:
    """From a changed object to the runs that may wait for it."""

    runs: Lister[TaskRun]
    tasks: Lister[Task]
    agents: Lister[Agent]
    tool_calls: Lister[TaskRunToolCall]
    llms: Lister[LLM]

    def for_task(self, task: Task) -> list[Request]:
        """Runs that name the Task and have not begun."""
        return _requests(self.runs.by_index(UNBEGUN_BY_TASK, key(task, task.metadata.name)))

    def for_agent(self, agent: Agent) -> list[Request]:
        """Runs of the Agent that have not begun, named by themselves or through Tasks, or that its limits stop."""
        value = key(agent, agent.metadata.name)
        own = _requests([*self.runs.by_index(UNBEGUN_BY_AGENT, value), *self.runs.by_index(STOPPED_BY_AGENT, value)])
        through_tasks = [self.for_task(task) for task in self.tasks.by_index(TASKS_BY_AGENT, value)]
        return [*own, *(request for requests in through_tasks for request in requests)]

    def for_llm(self, llm: LLM) -> list[Request]:
        """Runs that pinned the LLM, also as a fallback, and those not begun that need it, or whose Agent does."""
        begun = _requests(self.runs.by_index(BEGUN_BY_LLM, key(llm, llm.metadata.name)))
        needed = [key(one, one.metadata.name) for one in (llm, *fallbackusers.users_of(self.llms, llm))]
        agents = [agent for value in needed for agent in self.agents.by_index(AGENTS_BY_LLM, value)]
        waiting = [self.for_agent(agent) for agent in agents]
        waiting += [_requests(self.runs.by_index(UNBEGUN_BY_LLM, value)) for value in needed]
        return [*begun, *(request for requests in waiting for request in requests)]

    def for_continued(self, run: TaskRun) -> list[Request]:
        """Runs that continue this one and have not begun."""
        return _requests(self.runs.by_index(UNBEGUN_BY_SOURCE, key(run, run.metadata.name)))

    def for_budget(self, budget: Budget) -> list[Request]:
        """Runs that wait for the Budget."""
        return _requests(self.runs.by_index(WAITING_BY_BUDGET, key(budget, budget.metadata.name)))

    def for_tool_source(self, source: StatusObject[Any, Any]) -> list[Request]:
        """Runs that may call a tool that this object provides."""
        value = f"{source.kind}/{source.metadata.namespace}/{source.metadata.name}"
        return _requests(self.runs.by_index(BEGUN_BY_TOOL_SOURCE, value))

    def for_stopped(self, run: TaskRun) -> list[Request]:
        """The runs above one that is stopped at a limit, and, where people were asked about its own, those below it."""
        reader = SpendingReader(self.runs, self.tool_calls)
        is_stopped = is_true(run.status.conditions, LIMIT_REACHED)
        above = reader.above(run) if is_stopped else ()
        below = reader.below(run) if run.status.budget_requests else ()
        return _requests((*above, *below))


def _requests(runs: Iterable[TaskRun]) -> list[Request]:
    return [Request(run.metadata.namespace, run.metadata.name) for run in runs]
