"""Registers the control loops with a manager: which kinds each one follows, and what wakes it.

Called once, by the composition root. What must not go here: decisions.
"""

from __future__ import annotations

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
from kubechain.controllers.mcpserver import reconciler as mcp_kind
from kubechain.controllers.offers import Sources
from kubechain.controllers.recording import Recorder
from kubechain.controllers.replica import Replica
from kubechain.controllers.secrets import SECRETS, SecretReader
from kubechain.controllers.task import reconciler as task_kind
from kubechain.controllers.taskrun import reconciler as task_run_kind
from kubechain.controllers.taskrun import watches
from kubechain.controllers.taskrun.effects import ModelCaller
from kubechain.controllers.taskrun.slots import Slots
from kubechain.controllers.tool import reconciler as tool_kind
from kubechain.controllers.tool.observe import Check
from kubechain.controllers.toolcall import reconciler as call_kind
from kubechain.controllers.toolcall import watches as call_watches
from kubechain.controllers.toolcall.check import ToolCheck
from kubechain.controllers.toolcall.containers import Containers
from kubechain.controllers.toolcall.executors import Executors
from kubechain.llm.client import LLMClient
from kubechain.mcp.manager import ConnectionManager
from kubechain.mcp.model import ServerKey
from kubechain.runtime.controller import controller
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager
from kubechain.runtime.resource import metadata_only
from kubechain.tools.engine import ContainerEngine
from kubechain.tools.external_api import ExternalAPIClient

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


@dataclass(frozen=True, slots=True)
class Clients:
    """What the loops reach the world through; closed by whoever made them.

    Attributes:
        make_connections: Makes the manager of MCP connections, given who is to be told about changes.
        engine: Runs containers where the API server has no Jobs.
    """

    llm: LLMClient
    make_connections: Callable[[Callable[[ServerKey], None]], ConnectionManager]
    http: ExternalAPIClient
    engine: ContainerEngine


def add_controllers(manager: Manager, *, clients: Clients, settings: Settings | None = None) -> None:
    """Make every control loop and hand it to the manager; before it starts."""
    settings = settings or Settings()
    secrets = SecretReader(manager.client, manager.lister(metadata_only(SECRETS)))
    doubt_llm = _add_llm(manager, secrets, clients.llm)
    containers = Containers(manager.client, manager.clock, clients.engine, secrets)
    _add_tool(manager, secrets, ToolCheck(clients.http, containers))
    # The connections tell the loops, and the loops have the connections: this list comes in between.
    told: list[Callable[[ServerKey], None]] = []
    connections = clients.make_connections(lambda key: _tell(told, key))
    _add_mcp_server(manager, secrets, connections, told)
    _add_agent(manager)
    _add_task(manager)
    _add_task_run(manager, secrets, clients.llm, doubt_llm, settings)
    executors = Executors(
        connections=connections,
        http=clients.http,
        containers=containers,
        secrets=secrets,
        clock=manager.clock,
    )
    _add_tool_call(manager, connections, executors, told, settings)


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


def _add_tool(manager: Manager, secrets: SecretReader, check: Check) -> None:
    tools = manager.lister(resources.TOOLS)
    manager.add_index(resources.TOOLS, tool_kind.BY_KEY_SOURCE, tool_kind.secret_index)
    manager.add_index(resources.TOOLS, tool_kind.BY_AGENT, tool_kind.agent_index)
    reconciler = tool_kind.ToolReconciler(
        tools=tools,
        agents=manager.lister(resources.AGENTS),
        secrets=secrets,
        check=check,
        writer=_writer(manager, reasons.TOOL_CONTROLLER),
        clock=manager.clock,
    )
    (
        controller(manager, "tool")
        .for_(resources.TOOLS)
        .watches(metadata_only(SECRETS), map=lambda secret: tool_kind.tool_requests_for_secret(tools, secret.metadata))
        .watches(resources.AGENTS, map=lambda agent: tool_kind.tool_requests_for_agent(tools, agent))
        .complete(reconciler)
    )


def _tell(told: list[Callable[[ServerKey], None]], key: ServerKey) -> None:
    for tell in told:
        tell(key)


def _add_mcp_server(
    manager: Manager, secrets: SecretReader, connections: ConnectionManager, told: list[Callable[[ServerKey], None]]
) -> None:
    servers = manager.lister(resources.MCP_SERVERS)
    manager.add_index(resources.MCP_SERVERS, mcp_kind.BY_KEY_SOURCE, mcp_kind.secret_index)
    reconciler = mcp_kind.MCPServerReconciler(
        servers=servers,
        connections=connections,
        secrets=secrets,
        writer=_writer(manager, reasons.MCP_CONTROLLER),
        clock=manager.clock,
    )
    loop = (
        controller(manager, "mcpserver")
        .for_(resources.MCP_SERVERS)
        .watches(
            metadata_only(SECRETS), map=lambda secret: mcp_kind.server_requests_for_secret(servers, secret.metadata)
        )
        .complete(reconciler)
    )
    told.append(lambda key: loop.queue.add(Request(key.namespace, key.name)))
    manager.add_runnable(connections)


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
    slots = Slots(lambda run: loop.queue.add(run), manager.clock)  # noqa: PLW0108  the loop is made below
    reconciler = task_run_kind.TaskRunReconciler(
        caches=caches,
        caller=ModelCaller(llm_client, secrets, in_flight),
        client=manager.client,
        recorder=Recorder(resources.TASK_RUNS, manager.client, writer, manager.clock),
        writer=writer,
        replica=Replica(manager.identity, manager.liveness),
        slots=slots,
        clock=manager.clock,
        doubt_llm=doubt_llm,
    )
    wakers = watches.Wakers(runs=caches.runs, tasks=caches.tasks, agents=caches.agents)
    loop = (
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
    manager.add_index(resources.TASKS, watches.TASKS_BY_AGENT, watches.tasks_by_agent)
    manager.add_index(resources.AGENTS, watches.AGENTS_BY_LLM, watches.agents_by_llm)


def _add_tool_call(
    manager: Manager,
    connections: ConnectionManager,
    executors: Executors,
    told: list[Callable[[ServerKey], None]],
    settings: Settings,
) -> None:
    calls, runs = manager.lister(resources.TOOL_CALLS), manager.lister(resources.TASK_RUNS)
    manager.add_index(resources.TOOL_CALLS, call_watches.CALLS_BY_RUN, call_watches.calls_by_run)
    manager.add_index(resources.TOOL_CALLS, call_watches.AWAITED_CALLS_BY_RUN, call_watches.awaited_calls_by_run)
    manager.add_index(resources.TOOL_CALLS, call_watches.OPEN_CALLS, call_watches.open_calls)
    in_flight = InFlight()
    manager.informer(resources.TOOL_CALLS).add_handler(interrupter(in_flight, lambda call: False))
    manager.informer(resources.TASK_RUNS).add_handler(call_watches.run_interrupter(in_flight, calls))
    reconciler = call_kind.ToolCallReconciler(
        caches=call_kind.Caches(
            calls=calls,
            runs=runs,
            tools=manager.lister(resources.TOOLS),
            mcp_servers=manager.lister(resources.MCP_SERVERS),
            sources=_sources(manager),
        ),
        connections=mcp_kind.ConnectionStates(connections),
        executors=executors,
        in_flight=in_flight,
        client=manager.client,
        writer=_writer(manager, reasons.TASK_RUN_TOOL_CALL_CONTROLLER),
        replica=Replica(manager.identity, manager.liveness),
        clock=manager.clock,
    )
    loop = (
        controller(manager, "taskruntoolcall")
        .for_(resources.TOOL_CALLS)
        .watches(
            resources.TASK_RUNS,
            map=lambda run: [
                *call_watches.call_requests_for_run(calls, run),
                *call_watches.call_requests_for_child(run),
            ],
        )
        .watches(resources.TOOLS, map=lambda tool: call_watches.call_requests_for_source(calls, tool))
        .watches(resources.MCP_SERVERS, map=lambda server: call_watches.call_requests_for_source(calls, server))
        .watches(resources.AGENTS, map=lambda agent: call_watches.call_requests_for_source(calls, agent))
        .with_(workers=settings.max_concurrent_runs, drain_seconds=settings.drain_seconds)
        .complete(reconciler)
    )

    def on_change(key: ServerKey) -> None:
        for request in call_watches.open_call_requests(calls, key.namespace):
            loop.queue.add(request)

    told.append(on_change)
