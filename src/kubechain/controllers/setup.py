"""Registers the control loops with a manager: which kinds each one follows, and what wakes it.

Called once, by the composition root. What must not go here: decisions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubechain.api import reasons
from kubechain.api.meta import StatusObject
from kubechain.controllers import resources
from kubechain.controllers.agent import reconciler as agent_kind
from kubechain.controllers.agent.observe import Readers
from kubechain.controllers.frame import StatusWriter
from kubechain.controllers.inflight import InFlight, interrupter
from kubechain.controllers.llm import reconciler as llm_kind
from kubechain.controllers.offers import Sources
from kubechain.controllers.recording import Recorder
from kubechain.controllers.secrets import SECRETS, SecretReader
from kubechain.controllers.task import reconciler as task_kind
from kubechain.controllers.taskrun import reconciler as task_run_kind
from kubechain.controllers.taskrun import watches
from kubechain.controllers.taskrun.effects import ModelCaller
from kubechain.llm.client import LLMClient
from kubechain.runtime.controller import controller
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager
from kubechain.runtime.resource import metadata_only

DEFAULT_MAX_CONCURRENT_RUNS = 1_000
"""A run that waits for its model costs a few kilobytes; the providers' limits bite long before this one."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the loops work.

    Attributes:
        max_concurrent_runs: Runs that may wait for a model at the same time.
        drain_seconds: How long model calls in flight may go on after the manager was told to stop.
    """

    max_concurrent_runs: int = DEFAULT_MAX_CONCURRENT_RUNS
    drain_seconds: float = 20.0


def add_controllers(manager: Manager, *, llm_client: LLMClient, settings: Settings | None = None) -> None:
    """Make every control loop and hand it to the manager; before it starts."""
    settings = settings or Settings()
    secrets = SecretReader(manager.client, manager.lister(metadata_only(SECRETS)))
    doubt_llm = _add_llm(manager, secrets, llm_client)
    _add_agent(manager)
    _add_task(manager)
    _add_task_run(manager, secrets, llm_client, doubt_llm, settings)


def _writer(manager: Manager, component: str) -> StatusWriter:
    return StatusWriter(client=manager.client, recorder=manager.recorder(component))


def _add_llm(manager: Manager, secrets: SecretReader, client: LLMClient) -> Callable[[Request], None]:
    llms = manager.lister(resources.LLMS)
    manager.add_index(resources.LLMS, llm_kind.BY_KEY_SOURCE, llm_kind.secret_index)
    reconciler = llm_kind.LLMReconciler(
        llms=llms,
        secrets=secrets,
        client=client,
        writer=_writer(manager, reasons.LLM_CONTROLLER),
        clock=manager.clock,
    )
    loop = (
        controller(manager, "llm")
        .for_(resources.LLMS)
        .watches(metadata_only(SECRETS), map=lambda secret: llm_kind.llm_requests_for_secret(llms, secret.metadata))
        .complete(reconciler)
    )

    def doubt(request: Request) -> None:
        reconciler.doubt(request)
        loop.queue.add(request)

    return doubt


def _add_agent(manager: Manager) -> None:
    agents = manager.lister(resources.AGENTS)
    manager.add_index(resources.AGENTS, agent_kind.BY_DEPENDENCY, agent_kind.dependency_index)
    reconciler = agent_kind.AgentReconciler(
        agents=agents,
        readers=Readers(
            llms=manager.lister(resources.LLMS),
            tools=manager.lister(resources.TOOLS),
            mcp_servers=manager.lister(resources.MCP_SERVERS),
            contact_channels=manager.lister(resources.CONTACT_CHANNELS),
            agents=agents,
        ),
        writer=_writer(manager, reasons.AGENT_CONTROLLER),
        clock=manager.clock,
    )

    def dependents(obj: StatusObject[Any, Any]) -> list[Request]:
        return agent_kind.agent_requests_for(agents, obj)

    (
        controller(manager, "agent")
        .for_(resources.AGENTS)
        .watches(resources.LLMS, map=dependents)
        .watches(resources.TOOLS, map=dependents)
        .watches(resources.MCP_SERVERS, map=dependents)
        .watches(resources.CONTACT_CHANNELS, map=dependents)
        .watches(resources.AGENTS, map=dependents)
        .complete(reconciler)
    )


def _add_task(manager: Manager) -> None:
    tasks, runs = manager.lister(resources.TASKS), manager.lister(resources.TASK_RUNS)
    manager.add_index(resources.TASK_RUNS, task_kind.RUNS_BY_TASK, task_kind.run_task_index)
    manager.add_index(resources.TASKS, task_kind.TASKS_BY_AGENT, task_kind.task_agent_index)
    reconciler = task_kind.TaskReconciler(
        tasks=tasks,
        agents=manager.lister(resources.AGENTS),
        runs=runs,
        client=manager.client,
        writer=_writer(manager, reasons.TASK_CONTROLLER),
        clock=manager.clock,
    )
    (
        controller(manager, "task")
        .for_(resources.TASKS)
        .watches(resources.TASK_RUNS, map=task_kind.task_requests_for_run)
        .watches(resources.AGENTS, map=lambda agent: task_kind.task_requests_for_agent(tasks, agent))
        .complete(reconciler)
    )


def _add_task_run(
    manager: Manager,
    secrets: SecretReader,
    llm_client: LLMClient,
    doubt_llm: Callable[[Request], None],
    settings: Settings,
) -> None:
    caches = task_run_kind.Caches(
        runs=manager.lister(resources.TASK_RUNS),
        tasks=manager.lister(resources.TASKS),
        agents=manager.lister(resources.AGENTS),
        llms=manager.lister(resources.LLMS),
        tool_calls=manager.lister(resources.TOOL_CALLS),
        sources=_sources(manager),
    )
    _index_runs(manager)
    in_flight = InFlight()
    manager.informer(resources.TASK_RUNS).add_handler(interrupter(in_flight, lambda run: run.spec.cancel))
    writer = _writer(manager, reasons.TASK_RUN_CONTROLLER)
    reconciler = task_run_kind.TaskRunReconciler(
        caches=caches,
        caller=ModelCaller(llm_client, secrets, in_flight),
        client=manager.client,
        recorder=Recorder(resources.TASK_RUNS, manager.client, writer, manager.clock),
        writer=writer,
        replica=task_run_kind.Replica(manager.identity, manager.liveness),
        clock=manager.clock,
        doubt_llm=doubt_llm,
    )
    wakers = watches.Wakers(runs=caches.runs, tasks=caches.tasks, agents=caches.agents)
    (
        controller(manager, "taskrun")
        .for_(resources.TASK_RUNS)
        .owns(resources.TOOL_CALLS)
        .watches(resources.TASKS, map=wakers.for_task)
        .watches(resources.AGENTS, map=lambda agent: [*wakers.for_agent(agent), *wakers.for_tool_source(agent)])
        .watches(resources.LLMS, map=wakers.for_llm)
        .watches(resources.TOOLS, map=wakers.for_tool_source)
        .watches(resources.MCP_SERVERS, map=wakers.for_tool_source)
        .with_(workers=settings.max_concurrent_runs, drain_seconds=settings.drain_seconds)
        .complete(reconciler)
    )


def _sources(manager: Manager) -> Sources:
    return Sources(
        tools=manager.lister(resources.TOOLS),
        mcp_servers=manager.lister(resources.MCP_SERVERS),
        agents=manager.lister(resources.AGENTS),
    )


def _index_runs(manager: Manager) -> None:
    manager.add_index(resources.TASK_RUNS, watches.UNBEGUN_BY_TASK, watches.unbegun_by_task)
    manager.add_index(resources.TASK_RUNS, watches.UNBEGUN_BY_AGENT, watches.unbegun_by_agent)
    manager.add_index(resources.TASK_RUNS, watches.BEGUN_BY_LLM, watches.begun_by_llm)
    manager.add_index(resources.TASK_RUNS, watches.BEGUN_BY_TOOL_SOURCE, watches.begun_by_tool_source)
    manager.add_index(resources.TOOL_CALLS, task_run_kind.CALLS_BY_RUN, watches.calls_by_run)
    manager.add_index(resources.TASKS, watches.TASKS_BY_AGENT, watches.tasks_by_agent)
    manager.add_index(resources.AGENTS, watches.AGENTS_BY_LLM, watches.agents_by_llm)
