"""Registers the control loop of tool calls."""

from __future__ import annotations

from kubechain.api import reasons
from kubechain.api.agent import Agent
from kubechain.api.mcpserver import MCPServer
from kubechain.api.taskrun import TaskRun
from kubechain.api.tool import Tool
from kubechain.controllers import resources
from kubechain.controllers.inflight import InFlight, interrupter
from kubechain.controllers.outcomewriter import OutcomeWriter
from kubechain.controllers.parts import Parts
from kubechain.controllers.requesting import Requester
from kubechain.controllers.toolcall import watches
from kubechain.controllers.toolcall.approvalfacts import ApprovalReader
from kubechain.controllers.toolcall.effects import Delegation, ToolCaller
from kubechain.controllers.toolcall.observe import Observer
from kubechain.controllers.toolcall.reconciler import ToolCallReconciler
from kubechain.runtime.controller import controller
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager


def setup(manager: Manager, parts: Parts) -> None:
    """Follow tool calls, the runs that own them, and everything that a tool can come from."""
    calls, runs = manager.lister(resources.TOOL_CALLS), manager.lister(resources.TASK_RUNS)
    manager.add_index(resources.TOOL_CALLS, watches.CALLS_BY_RUN, watches.calls_by_run)
    manager.add_index(resources.TOOL_CALLS, watches.AWAITED_CALLS_BY_RUN, watches.awaited_calls_by_run)
    manager.add_index(resources.TOOL_CALLS, watches.OPEN_CALLS, watches.open_calls)
    in_flight = InFlight()
    manager.informer(resources.TOOL_CALLS).add_handler(interrupter(in_flight, lambda call: False))
    manager.informer(resources.TASK_RUNS).add_handler(watches.run_interrupter(in_flight, calls))
    writer = parts.writer(resources.TOOL_CALLS, reasons.TASK_RUN_TOOL_CALL_CONTROLLER)
    reconciler = ToolCallReconciler(
        calls=calls,
        observer=Observer(
            calls=calls,
            runs=runs,
            kinds=parts.tool_kinds,
            approvals=ApprovalReader(
                requests=manager.lister(resources.HUMAN_REQUESTS),
                policies=manager.lister(resources.APPROVAL_POLICIES),
                authority=parts.authority,
            ),
            client=manager.client,
            replica=parts.replica,
            clock=manager.clock,
        ),
        caller=ToolCaller(
            kinds=parts.tool_kinds,
            calls=calls,
            in_flight=in_flight,
            writer=writer,
            outcomes=OutcomeWriter(writer, manager.clock),
            replica=parts.replica,
            clock=manager.clock,
        ),
        delegation=Delegation(manager.client, runs),
        requester=Requester(manager.client, writer.recorder),
        writer=writer,
        clock=manager.clock,
    )

    def for_run(run: TaskRun) -> list[Request]:
        return [*watches.call_requests_for_run(calls, run), *watches.call_requests_for_child(run)]

    def for_source(source: Tool | MCPServer | Agent) -> list[Request]:
        return watches.open_call_requests(calls, source.metadata.namespace)

    def for_server(server: Request) -> list[Request]:
        return watches.open_call_requests(calls, server.namespace)

    (
        controller(manager, "taskruntoolcall")
        .for_(resources.TOOL_CALLS)
        .shared(parts.buckets.of(resources.TOOL_CALLS))
        .owns(resources.HUMAN_REQUESTS)
        .watches(resources.TASK_RUNS, map=for_run)
        .watches(resources.TOOLS, map=for_source)
        .watches(resources.MCP_SERVERS, map=for_source)
        .watches(resources.AGENTS, map=for_source)
        .triggered_by(parts.connection_changed, map=for_server)
        .with_(
            workers=parts.settings.max_concurrent_runs,
            drain_seconds=parts.settings.drain_seconds,
            on_drain=in_flight.let_go,
        )
        .complete(reconciler)
    )
