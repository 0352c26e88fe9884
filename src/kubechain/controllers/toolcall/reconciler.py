"""TaskRunToolCall's control loop: observe, decide, claim, carry out, settle, write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from kubechain.api import names
from kubechain.api.mcpserver import MCPServer
from kubechain.api.meta import ObjectMeta, is_owned_by, owner_reference
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import PinnedTool, TaskRun, TaskRunSpec
from kubechain.api.taskruntoolcall import Execution, TaskRunToolCall, ToolCallPhase
from kubechain.api.tool import Tool
from kubechain.controllers import recording
from kubechain.controllers.frame import Settled, StatusWriter, cache_is_behind
from kubechain.controllers.inflight import InFlight
from kubechain.controllers.offers import Source, Sources
from kubechain.controllers.recording import REFUSALS, Recorder
from kubechain.controllers.replica import Replica
from kubechain.controllers.resources import TASK_RUNS, TOOL_CALLS
from kubechain.controllers.toolcall import settle
from kubechain.controllers.toolcall.claims import execution_for, holds
from kubechain.controllers.toolcall.decide import decide
from kubechain.controllers.toolcall.executors import Executors, Prepared
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.outcomes import Answered, Outcome
from kubechain.controllers.toolcall.steps import (
    Cancel,
    Delegate,
    Execute,
    Fail,
    LookForChild,
    Release,
    ReportUnknown,
    Rest,
    TakeAnswer,
    Wait,
)
from kubechain.controllers.toolcall.watches import CALLS_BY_RUN, is_unwanted
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import AlreadyExists, ApiError, NotFound, TooLarge, TransportError
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

RETRY_SECONDS = 1.0
"""Between attempts of a call that certainly did nothing, or may be repeated."""


@dataclass(frozen=True, slots=True)
class Caches:
    """What a call reads without asking the API server."""

    calls: Lister[TaskRunToolCall]
    runs: Lister[TaskRun]
    tools: Lister[Tool]
    mcp_servers: Lister[MCPServer]
    sources: Sources


class ConnectionStates(Protocol):
    """Which MCP servers this process is connected to."""

    def is_connected(self, server: MCPServer) -> bool:
        """Whether a call would reach it now."""
        ...


class ToolCallReconciler:
    """Carries every tool call out, at most once where it is not safe to repeat."""

    def __init__(
        self,
        *,
        caches: Caches,
        connections: ConnectionStates,
        executors: Executors,
        in_flight: InFlight,
        client: Client,
        writer: StatusWriter,
        replica: Replica,
        clock: Clock,
    ) -> None:
        self._caches = caches
        self._connections = connections
        self._executors = executors
        self._in_flight = in_flight
        self._client = client
        self._writer = writer
        self._recorder: Recorder[TaskRunToolCall] = Recorder(TOOL_CALLS, client, writer, clock)
        self._replica = replica
        self._clock = clock

    async def reconcile(self, request: Request) -> Result:
        """Take one call as far as it goes without waiting."""
        call = self._caches.calls.get(request.namespace, request.name)
        is_live = False
        while call is not None:
            observed = await self._observe(call)
            match decide(observed):
                case Rest(requeue_after_seconds):
                    return Result(requeue_after_seconds)
                case Wait(detail):
                    await self._writer.write(TOOL_CALLS, call, settle.waiting(call, detail))
                    return Result(_retry_seconds(call))
                case Release():
                    await self._release(call)
                    return Result()
                case Execute() as step:
                    call = await self._execute(observed, step)
                    if call is not None and call.status.phase == ToolCallPhase.PENDING:
                        return Result(RETRY_SECONDS)
                case Delegate() if not is_live:
                    # The cache may be behind: a run that was made and deleted since must not be made again.
                    call = await self._recorder.look(call)
                case Delegate() as step:
                    call = await self._delegate(observed, step)
                case LookForChild():
                    call = await self._look_for_child(call)
                case (TakeAnswer() | Fail() | ReportUnknown() | Cancel()) as step:
                    call = await self._conclude(call, step)
            is_live = True
        return Result()

    # --- observe

    async def _observe(self, call: TaskRunToolCall) -> Observed:
        namespace = call.metadata.namespace
        run = self._run_of(call)
        if not _is_settled(call) and not _knows(run, call):
            run = await self._live_run_of(call)
        pinned = _pinned(run, call.spec.tool_ref.name)
        tool, server = None, None
        if pinned is not None and pinned.kind == Source.TOOL:
            tool = self._caches.tools.get(namespace, pinned.object)
        if pinned is not None and pinned.kind == Source.MCP_SERVER:
            server = self._caches.mcp_servers.get(namespace, pinned.object)
        return Observed(
            call=call,
            run=run,
            now=self._clock.now(),
            pinned=pinned,
            found=self._caches.sources.find(namespace, pinned) if pinned else None,
            tool=tool,
            server=server,
            is_connected=server is not None and self._connections.is_connected(server),
            child=self._caches.runs.get(namespace, names.sub_agent_run_name(call.metadata.name)),
            depth=self._depth(run),
            holder_gone_in_seconds=await self._holder_gone_in_seconds(call),
        )

    def _run_of(self, call: TaskRunToolCall) -> TaskRun | None:
        run = self._caches.runs.get(call.metadata.namespace, call.spec.task_run_ref.name)
        return run if run is not None and is_owned_by(call, run) else None

    async def _live_run_of(self, call: TaskRunToolCall) -> TaskRun | None:
        """Ask the server where the cache knows of no run, or of none that waits for this call.

        A cache that is behind must neither end a call nor let it go: it would be made again, and carried out again.
        """
        try:
            run = await self._client.get(TASK_RUNS, call.metadata.namespace, call.spec.task_run_ref.name)
        except NotFound:
            return None
        return run if is_owned_by(call, run) else None

    def _is_unwanted(self, call: TaskRunToolCall) -> bool:
        latest, run = self._caches.calls.get(call.metadata.namespace, call.metadata.name), self._run_of(call)
        is_deleted = latest is None or latest.metadata.deletion_timestamp is not None
        return is_deleted or (run is not None and is_unwanted(run))

    def _depth(self, run: TaskRun | None) -> int:
        depth = 0
        while run is not None and run.spec.task_run_tool_call_ref is not None:
            depth += 1
            parent = self._caches.calls.get(run.metadata.namespace, run.spec.task_run_tool_call_ref.name)
            run = self._run_of(parent) if parent is not None else None
        return depth

    async def _holder_gone_in_seconds(self, call: TaskRunToolCall) -> float:
        execution = call.status.execution
        if call.status.phase != ToolCallPhase.RUNNING or execution is None:
            return 0.0
        return await self._replica.gone_in_seconds(execution.holder)

    # --- effects

    async def _execute(self, observed: Observed, step: Execute) -> TaskRunToolCall | None:
        """T4, the call, T5."""
        call = observed.call
        execution = execution_for(
            call,
            attempt=step.attempt,
            holder=self._replica.identity,
            semantics=step.semantics,
            now=observed.now,
            timeout_seconds=step.timeout_seconds,
        )
        claimed = await self._claim(call, settle.claimed(call, observed.run, execution), execution)
        if claimed is None:
            return None
        prepared = self._prepared(observed, step)
        outcome = await self._in_flight.run(
            call.metadata.uid, self._executors.execute(prepared), is_unwanted=lambda: self._is_unwanted(call)
        )
        recorded = await self._recorder.record(claimed, self._record(execution, outcome))
        if recorded is not None and isinstance(outcome, Answered):
            await self._keep_late_answer(recorded, execution, outcome)
        return recorded

    async def _claim(self, call: TaskRunToolCall, settled: Settled, execution: Execution) -> TaskRunToolCall | None:
        """Write the claim; where its fate is not known, ask: ours counts, anything else is left alone."""
        try:
            return await self._writer.write(TOOL_CALLS, call, settled)
        except (ApiError, TransportError):
            found = await self._recorder.look(call)
            if found is None or not holds(found, execution):
                raise
            self._writer.announce(call, found, settled)
            return found

    def _record(self, execution: Execution, outcome: Outcome) -> recording.Outcome[TaskRunToolCall]:
        def refused(call: TaskRunToolCall, error: ApiError) -> Settled:
            now = self._clock.now()
            if isinstance(error, TooLarge) and isinstance(outcome, Answered):
                content = settle.stored(outcome.content, settle.SCARCE_RESULT_BYTES)
                return settle.concluded(call, replace(outcome, content=content), now)
            return settle.failed(call, f"the tool was called, but its result was lost: refused: {error}", now)

        return recording.Outcome(
            holds=lambda call: holds(call, execution),
            settle=lambda call: settle.concluded(call, outcome, self._clock.now()),
            refused=refused,
        )

    async def _keep_late_answer(self, call: TaskRunToolCall, execution: Execution, outcome: Answered) -> None:
        """Somebody gave the call up while it was going on: the answer is kept for people, and changes nothing."""
        is_given_up = call.status.phase == ToolCallPhase.OUTCOME_UNKNOWN and call.status.late_result is None
        if is_given_up and call.status.execution is not None and call.status.execution.token == execution.token:
            await self._writer.write(TOOL_CALLS, call, settle.late(outcome.content))

    def _prepared(self, observed: Observed, step: Execute) -> Prepared:
        metadata = observed.call.metadata
        return Prepared(
            namespace=metadata.namespace,
            name=metadata.name,
            uid=metadata.uid,
            offer=step.offer,
            tool=observed.tool,
            server=observed.server,
            arguments=step.arguments,
            key=observed.call.spec.idempotency_key or metadata.uid,
            timeout_seconds=step.timeout_seconds,
            results=lambda: self._earlier_results(observed.call),
            trace=_trace(observed.run),
        )

    def _earlier_results(self, call: TaskRunToolCall) -> Mapping[str, str]:
        key = f"{call.metadata.namespace}/{call.spec.task_run_ref.name}"
        earlier = self._caches.calls.by_index(CALLS_BY_RUN, key)
        return {one.spec.tool_call_id: one.status.result for one in earlier if one.status.result is not None}

    async def _delegate(self, observed: Observed, step: Delegate) -> TaskRunToolCall | None:
        """Make the other agent's run, under a name that every retry gives again."""
        call = observed.call
        child = child_run(call, step)
        if trouble := await self._create_child(call, child):
            return await self._writer.write(TOOL_CALLS, call, settle.failed(call, trouble, self._clock.now()))
        settled = settle.delegated(call, observed.run, child.metadata.name, self._clock.now())
        return await self._writer.write(TOOL_CALLS, call, settled)

    async def _create_child(self, call: TaskRunToolCall, child: TaskRun) -> str:
        """Make the run, or adopt it when an earlier try made it; say why neither is possible."""
        try:
            await self._client.create(TASK_RUNS, child)
        except AlreadyExists:
            found = await self._client.get(TASK_RUNS, call.metadata.namespace, child.metadata.name)
            if not is_owned_by(found, call):
                return f'TaskRun "{child.metadata.name}" exists already and does not belong to this call'
        except REFUSALS as error:
            return f"the API server refused the agent's run: {error}"
        return ""

    async def _look_for_child(self, call: TaskRunToolCall) -> TaskRunToolCall | None:
        """Ask the server where the cache knows of no run: one that was deleted is not started again."""
        namespace, name = call.metadata.namespace, names.sub_agent_run_name(call.metadata.name)
        try:
            await self._client.get(TASK_RUNS, namespace, name)
        except NotFound:
            text = f'the agent\'s run "{name}" was deleted'
            return await self._writer.write(TOOL_CALLS, call, settle.unknown(call, text, self._clock.now()))
        raise cache_is_behind(f"TaskRun {name}")

    async def _conclude(
        self, call: TaskRunToolCall, step: TakeAnswer | Fail | ReportUnknown | Cancel
    ) -> TaskRunToolCall | None:
        now = self._clock.now()
        match step:
            case TakeAnswer(output):
                settled = settle.succeeded(call, output, now)
            case Fail(message):
                settled = settle.failed(call, message, now)
            case ReportUnknown(message):
                settled = settle.unknown(call, message, now)
            case Cancel(message):
                await self._cancel_child(call)
                settled = settle.cancelled(call, message, now)
        return await self._writer.write(TOOL_CALLS, call, settled)

    async def _cancel_child(self, call: TaskRunToolCall) -> None:
        """The tree below goes with the call."""
        namespace, name = call.metadata.namespace, names.sub_agent_run_name(call.metadata.name)
        child = self._caches.runs.get(namespace, name)
        if child is None or child.spec.cancel or child.status.completion_time is not None:
            return
        try:
            await self._client.patch(TASK_RUNS, namespace, name, {"spec": {"cancel": True}})
        except NotFound:
            return

    async def _release(self, call: TaskRunToolCall) -> None:
        """Drop our finalizer, and ours alone."""
        kept = [one for one in call.metadata.finalizers if one != names.TOOL_CALL_FINALIZER]
        if len(kept) == len(call.metadata.finalizers):
            return
        metadata = call.metadata
        patch = {"metadata": {"finalizers": kept or None}}
        try:
            await self._client.patch(
                TOOL_CALLS, metadata.namespace, metadata.name, patch, resource_version=metadata.resource_version
            )
        except NotFound:
            return


def _is_settled(call: TaskRunToolCall) -> bool:
    return call.status.completion_time is not None and call.metadata.deletion_timestamp is None


def _knows(run: TaskRun | None, call: TaskRunToolCall) -> bool:
    """Whether a run, as the cache has it, is one that waits for the call, or that waits for nothing any more."""
    if run is None:
        return False
    is_over = run.status.completion_time is not None
    return is_over or any(pending.tool_call_id == call.spec.tool_call_id for pending in run.status.pending_turn)


def _retry_seconds(call: TaskRunToolCall) -> float | None:
    """A call that was tried already is tried again by time; one that never was waits for its watch."""
    return RETRY_SECONDS if call.status.execution is not None else None


def _pinned(run: TaskRun | None, name: str) -> PinnedTool | None:
    tools = run.status.pinned.tools if run is not None and run.status.pinned is not None else ()
    return next((tool for tool in tools if tool.name == name), None)


def _trace(run: TaskRun | None) -> dict[str, str]:
    """Trace context for whoever carries the call out, in the form of W3C."""
    if run is None or run.status.span_context is None:
        return {}
    return {"traceparent": f"00-{run.status.span_context.trace_id}-{run.status.span_context.span_id}-01"}


def child_run(call: TaskRunToolCall, step: Delegate) -> TaskRun:
    """The other agent's run: its own conversation, owned by the call."""
    return TaskRun(
        metadata=ObjectMeta(
            name=names.sub_agent_run_name(call.metadata.name),
            namespace=call.metadata.namespace,
            labels={names.LABEL_TASK_RUN_TOOL_CALL: names.label_value(call.metadata.name)},
            owner_references=(owner_reference(call),),
        ),
        spec=TaskRunSpec(
            agent_ref=LocalObjectReference(name=step.agent),
            user_message=step.message,
            task_run_tool_call_ref=LocalObjectReference(name=call.metadata.name),
        ),
    )
