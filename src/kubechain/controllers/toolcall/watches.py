"""Indexes of tool calls, and maps from a changed object to the calls that must be reconciled for it."""

from __future__ import annotations

from collections.abc import Callable

from kubechain.api import names
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers.inflight import InFlight
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Change, Lister

CALLS_BY_RUN = "calls-by-run"
AWAITED_CALLS_BY_RUN = "awaited-calls-by-run"

OPEN_CALLS = "open-calls"
"""All calls that are not over, by namespace: any of them may wait for a Tool, an MCPServer or an Agent."""


def calls_by_run(call: TaskRunToolCall) -> list[str]:
    """Tool calls by the run that they belong to."""
    return [f"{call.metadata.namespace}/{call.spec.task_run_ref.name}"]


def awaited_calls_by_run(call: TaskRunToolCall) -> list[str]:
    """Tool calls by their run, those only that depend on it: open ones, and those that wait for their release.

    A run of days has thousands of others, which must not be read at each of its changes.
    """
    is_over = call.status.completion_time is not None and not is_held(call)
    return [] if is_over else calls_by_run(call)


def is_held(call: TaskRunToolCall) -> bool:
    """Whether the call has our finalizer."""
    return names.TOOL_CALL_FINALIZER in call.metadata.finalizers


def call_requests_for_run(calls: Lister[TaskRunToolCall], run: TaskRun) -> list[Request]:
    """The calls that depend on their run."""
    awaited = calls.by_index(AWAITED_CALLS_BY_RUN, f"{run.metadata.namespace}/{run.metadata.name}")
    return [Request(call.metadata.namespace, call.metadata.name) for call in awaited]


def call_requests_for_child(run: TaskRun) -> list[Request]:
    """The call that a delegated run answers."""
    reference = run.spec.task_run_tool_call_ref
    return [Request(run.metadata.namespace, reference.name)] if reference else []


def open_calls(call: TaskRunToolCall) -> list[str]:
    """Index of calls that are not over, by namespace."""
    return [] if call.status.completion_time is not None else [call.metadata.namespace]


def open_call_requests(calls: Lister[TaskRunToolCall], namespace: str) -> list[Request]:
    """The calls of a namespace that are not over."""
    waiting = calls.by_index(OPEN_CALLS, namespace)
    return [Request(call.metadata.namespace, call.metadata.name) for call in waiting]


def run_interrupter(in_flight: InFlight, calls: Lister[TaskRunToolCall]) -> Callable[[Change[TaskRun]], None]:
    """A watch handler that cancels the calls in flight of a run that is cancelled, deleted or finished."""

    def on_change(change: Change[TaskRun]) -> None:
        if not len(in_flight):
            return
        run = change.current()
        if run is not None and not is_run_over(run):
            return
        for call in calls.by_index(AWAITED_CALLS_BY_RUN, f"{change.key.namespace}/{change.key.name}"):
            in_flight.interrupt(call.metadata.uid)

    return on_change


def is_run_over(run: TaskRun) -> bool:
    """Whether the run is cancelled, deleted or finished, so that it waits for none of its calls."""
    return run.spec.cancel or run.metadata.deletion_timestamp is not None or run.status.completion_time is not None
