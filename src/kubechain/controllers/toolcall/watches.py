"""Which calls a change elsewhere concerns: indexes and maps, so that no call polls for what it waits for."""

from __future__ import annotations

from collections.abc import Callable

from kubechain.api.agent import Agent
from kubechain.api.mcpserver import MCPServer
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.api.tool import Tool
from kubechain.controllers.inflight import InFlight
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Change, Lister

CALLS_BY_RUN = "calls-by-run"
AWAITED_CALLS_BY_RUN = "awaited-calls-by-run"

OPEN_CALLS = "open-calls"
"""All calls that are not over, by namespace: few, and they wait for tools, servers and agents."""


def calls_by_run(call: TaskRunToolCall) -> list[str]:
    """Tool calls by the run that they belong to."""
    return [f"{call.metadata.namespace}/{call.spec.task_run_ref.name}"]


def awaited_calls_by_run(call: TaskRunToolCall) -> list[str]:
    """Tool calls that a change of their run concerns, by that run: open ones, and those that wait to be let go.

    A run of days has thousands of others, which must not be read at each of its changes.
    """
    is_over = call.status.completion_time is not None and call.metadata.deletion_timestamp is None
    return [] if is_over else calls_by_run(call)


def call_requests_for_run(calls: Lister[TaskRunToolCall], run: TaskRun) -> list[Request]:
    """The calls that a change of their run concerns."""
    awaited = calls.by_index(AWAITED_CALLS_BY_RUN, f"{run.metadata.namespace}/{run.metadata.name}")
    return [Request(call.metadata.namespace, call.metadata.name) for call in awaited]


def call_requests_for_child(run: TaskRun) -> list[Request]:
    """The call that a delegated run answers."""
    reference = run.spec.task_run_tool_call_ref
    return [Request(run.metadata.namespace, reference.name)] if reference else []


def open_calls(call: TaskRunToolCall) -> list[str]:
    """Index of calls that are not over, by namespace."""
    return [] if call.status.completion_time is not None else [call.metadata.namespace]


def call_requests_for_source(calls: Lister[TaskRunToolCall], source: Tool | MCPServer | Agent) -> list[Request]:
    """The calls that may wait for a tool, a server or another agent."""
    return open_call_requests(calls, source.metadata.namespace)


def open_call_requests(calls: Lister[TaskRunToolCall], namespace: str) -> list[Request]:
    """The calls of a namespace that are not over."""
    waiting = calls.by_index(OPEN_CALLS, namespace)
    return [Request(call.metadata.namespace, call.metadata.name) for call in waiting]


def run_interrupter(in_flight: InFlight, calls: Lister[TaskRunToolCall]) -> Callable[[Change[TaskRun]], None]:
    """A watch handler that stops the calls of a run that was cancelled or deleted, or that is over without them."""

    def on_change(change: Change[TaskRun]) -> None:
        if not len(in_flight):
            return
        run = change.current()
        if run is not None and not is_unwanted(run):
            return
        for call in calls.by_index(AWAITED_CALLS_BY_RUN, f"{change.key.namespace}/{change.key.name}"):
            in_flight.interrupt(call.metadata.uid)

    return on_change


def is_unwanted(run: TaskRun) -> bool:
    """Whether nobody waits for the calls of a run any more."""
    return run.spec.cancel or run.metadata.deletion_timestamp is not None or run.status.completion_time is not None
