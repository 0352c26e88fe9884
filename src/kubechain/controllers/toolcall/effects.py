"""The effects of a tool call: it is claimed and carried out, or delegated to a run of another Agent."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kubechain.api import lineage, names, traces
from kubechain.api.creators import with_creator
from kubechain.api.meta import ObjectMeta, is_owned_by, owner_reference
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import SpanContext, TaskRun, TaskRunSpec, ToolCallType
from kubechain.api.taskruntoolcall import Execution, TaskRunToolCall
from kubechain.api.tool import ToolSemantics
from kubechain.controllers.frame import Settled, StatusWriter, next_version
from kubechain.controllers.inflight import InFlight
from kubechain.controllers.outcomewriter import ClaimedWrite, OutcomeWriter
from kubechain.controllers.refusals import creating
from kubechain.controllers.replica import Replica
from kubechain.controllers.resources import TASK_RUNS
from kubechain.controllers.toolcall import settle
from kubechain.controllers.toolcall.claims import execution_for, followed, holds, is_asked_about, key_of, was_given_up
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.outcomes import Answered, Interrupted, Outcome
from kubechain.controllers.toolcall.progress import Progress
from kubechain.controllers.toolcall.steps import Delegate, Execute, Follow
from kubechain.controllers.toolcall.watches import CALLS_BY_RUN
from kubechain.controllers.toolkinds.model import CallOutcome, Invocation, Started
from kubechain.controllers.toolkinds.registry import ToolKinds
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import FINAL_REFUSALS, AlreadyExists, ApiError, NotFound, TooLarge, TransportError
from kubechain.runtime.store import Lister


def _is_pure(observed: Observed, step: Execute) -> bool:
    """Whether the call does nothing outside, and nobody declared that it may not be made again."""
    planner = observed.planner
    return planner is not None and not planner.acts_outside and step.semantics == ToolSemantics.IDEMPOTENT


@dataclass(frozen=True, slots=True)
class ToolCaller:
    """Carries calls out: T4 (claim), the call, T5 (result)."""

    kinds: ToolKinds
    calls: Lister[TaskRunToolCall]
    in_flight: InFlight
    writer: StatusWriter[TaskRunToolCall]
    outcomes: OutcomeWriter[TaskRunToolCall]
    replica: Replica
    clock: Clock

    async def execute(
        self, observed: Observed, step: Execute, *, is_unwanted: Callable[[], bool]
    ) -> TaskRunToolCall | None:
        """Claim the call, carry it out, record its result; a pure function without the claim.

        Args:
            is_unwanted: See `InFlight.run`.

        Returns:
            The call as it is now; None when it is gone.
        """
        call = observed.call
        execution = execution_for(
            call,
            attempt=step.attempt,
            holder=self.replica.identity,
            semantics=step.semantics,
            now=observed.now,
            timeout_seconds=step.timeout_seconds,
        )
        if _is_pure(observed, step):
            return await self._compute(observed, step, execution)
        progress = await self._claimed(observed, execution)
        if progress is None:
            return None
        effect = self.kinds.execute(self._invocation(observed, step, progress))
        return await self._concluded(observed, progress, effect, is_unwanted)

    async def _compute(self, observed: Observed, step: Execute, execution: Execution) -> TaskRunToolCall | None:
        """T4 and T5 in one write: nothing happens outside, and a result that is not recorded is computed again."""
        call = observed.call
        begun = settle.claimed(call, observed.run, execution)
        claimed = next_version(call, begun)
        progress = Progress(self.writer, execution, claimed)
        outcome = await self.kinds.execute(self._invocation(observed, step, progress))
        result = self._result(observed.run, execution, outcome)
        try:
            return await self.writer.write(call, begun.then(result.settle(claimed)))
        except FINAL_REFUSALS as error:
            return await self.writer.write(call, begun.then(result.refused(claimed, error)))

    async def follow(
        self, observed: Observed, step: Follow, *, is_unwanted: Callable[[], bool]
    ) -> TaskRunToolCall | None:
        """Claim an attempt that goes on without the process that started it, wait for its end, record its result.

        Args:
            is_unwanted: See `InFlight.run`.

        Returns:
            The call as it is now; None when it is gone.
        """
        follower = self.kinds.follower(observed.call.spec.tool_type)
        assert follower is not None, "observed before the step was decided"
        progress = await self._claimed(observed, followed(step.execution, holder=self.replica.identity))
        if progress is None:
            return None
        effect = follower.follow(_started(progress, observed.now))
        return await self._concluded(observed, progress, effect, is_unwanted)

    async def stop(self, call: TaskRunToolCall) -> None:
        """End what was started for a call that ends without its result, if that goes on by itself."""
        follower, execution = self.kinds.follower(call.spec.tool_type), call.status.execution
        if follower is not None and execution is not None:
            await follower.stop(_started(Progress(self.writer, execution, call), execution.deadline))

    async def _claimed(self, observed: Observed, execution: Execution) -> Progress | None:
        """T4: claim the call; None when it is gone."""
        call = observed.call
        claimed = await self._claim(call, settle.claimed(call, observed.run, execution), execution)
        return Progress(self.writer, execution, claimed) if claimed is not None else None

    async def _concluded(
        self,
        observed: Observed,
        progress: Progress,
        effect: Coroutine[Any, Any, CallOutcome],
        is_unwanted: Callable[[], bool],
    ) -> TaskRunToolCall | None:
        """Carry the claimed call out, and T5: record its result."""
        execution = progress.execution
        call = progress.call
        follower = self.kinds.follower(call.spec.tool_type)
        goes_on = follower is not None and follower.goes_on
        outcome = await self.in_flight.run(call.metadata.uid, effect, is_unwanted=is_unwanted, goes_on=goes_on)
        if isinstance(outcome, Interrupted):
            await self.stop(progress.call)
        written = (await self.outcomes.write(progress.call, self._result(observed.run, execution, outcome))).obj
        if written is None or not isinstance(outcome, Answered):
            return written
        if was_given_up(written, execution):
            await self.writer.write(written, settle.late(outcome.content))
        if is_asked_about(written, execution):
            return await self.writer.write(written, settle.concluded(written, outcome, self.clock.now()))
        return written

    async def _claim(self, call: TaskRunToolCall, settled: Settled, execution: Execution) -> TaskRunToolCall | None:
        """Write the claim; where the reply is lost, read it back: ours counts, any other is left alone."""
        try:
            return await self.writer.write(call, settled)
        except (ApiError, TransportError):
            found = await self.outcomes.read(call)
            if found is None or not holds(found, execution):
                raise
            self.writer.announce(call, found, settled)
            return found

    def _result(self, run: TaskRun | None, execution: Execution, outcome: Outcome) -> ClaimedWrite[TaskRunToolCall]:
        def refused(call: TaskRunToolCall, error: ApiError) -> Settled:
            now = self.clock.now()
            if isinstance(error, TooLarge) and isinstance(outcome, Answered):
                content = settle.stored(outcome.content, settle.SCARCE_RESULT_BYTES)
                return settle.concluded(call, replace(outcome, content=content), now)
            return settle.failed(call, f"the tool was called, but its result was lost: refused: {error}", now)

        return ClaimedWrite(
            holds=lambda call: holds(call, execution),
            settle=lambda call: settle.concluded(call, outcome, self.clock.now(), run=run),
            refused=refused,
            delayed=settle.delayed,
        )

    def _invocation(self, observed: Observed, step: Execute, progress: Progress) -> Invocation:
        metadata = observed.call.metadata
        return Invocation(
            namespace=metadata.namespace,
            name=metadata.name,
            uid=metadata.uid,
            offer=step.offer,
            arguments=step.arguments,
            key=key_of(observed.call),
            timeout_seconds=step.timeout_seconds,
            results=lambda: self._earlier_results(observed.call),
            trace=_trace(progress.call),
            tell=progress.tell,
            elicitation=observed.call.status.elicitation,
        )

    def _earlier_results(self, call: TaskRunToolCall) -> Mapping[str, str]:
        key = f"{call.metadata.namespace}/{call.spec.task_run_ref.name}"
        earlier = self.calls.by_index(CALLS_BY_RUN, key)
        return {one.spec.tool_call_id: one.status.result for one in earlier if one.status.result is not None}


def _started(progress: Progress, now: datetime) -> Started:
    """A claimed attempt, as whoever follows it knows it."""
    metadata, execution = progress.call.metadata, progress.execution
    return Started(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        timeout_seconds=(execution.deadline - execution.started_at).total_seconds(),
        remaining_seconds=max((execution.deadline - now).total_seconds(), 0.0),
        tell=progress.tell,
    )


def _trace(call: TaskRunToolCall) -> dict[str, str]:
    """Trace context of the call, as W3C defines it."""
    span = call.status.span_context
    return {} if span is None else {"traceparent": traces.traceparent(span)}


@dataclass(frozen=True, slots=True)
class Delegation:
    """Creates, looks for and cancels the runs that answer delegated calls."""

    client: Client
    runs: Lister[TaskRun]

    async def create(self, call: TaskRunToolCall, step: Delegate, span: SpanContext | None) -> str:
        """Create the run under its deterministic name, or adopt it when an earlier try created it.

        Args:
            span: Of the call.

        Returns:
            Why neither is possible; empty when the run exists and is owned by the call.

        Raises:
            WriteRefused: The server says no.
        """
        parent = self.runs.get(call.metadata.namespace, call.spec.task_run_ref.name)
        child = child_run(call, step, parent, span)
        try:
            with creating(child):
                await self.client.create(TASK_RUNS, child)
        except AlreadyExists:
            found = await self.client.get(TASK_RUNS, call.metadata.namespace, child.metadata.name)
            if not is_owned_by(found, call):
                return f'TaskRun "{child.metadata.name}" exists already and does not belong to this call'
        return ""

    async def exists(self, call: TaskRunToolCall) -> bool:
        """Whether the server has the run, whatever the cache says."""
        try:
            await self.client.get(TASK_RUNS, call.metadata.namespace, names.sub_agent_run_name(call.metadata.name))
        except NotFound:
            return False
        return True

    async def cancel(self, call: TaskRunToolCall) -> None:
        """Cancel the run of a call that is cancelled, and with it the tree below."""
        namespace, name = call.metadata.namespace, names.sub_agent_run_name(call.metadata.name)
        try:
            child = self.runs.get(namespace, name)
            if child is None and call.spec.tool_type == ToolCallType.DELEGATE_TO_AGENT:
                # It may have been created by a request whose reply was lost, or by an earlier process.
                child = await self.client.get(TASK_RUNS, namespace, name)
            if child is None or not is_owned_by(child, call):
                return
            if not child.spec.cancel and child.status.completion_time is None:
                await self.client.patch(TASK_RUNS, namespace, name, {"spec": {"cancel": True}})
        except NotFound:
            return


def child_run(
    call: TaskRunToolCall, step: Delegate, parent: TaskRun | None, span: SpanContext | None = None
) -> TaskRun:
    """The other Agent's run: a conversation of its own, owned by the call, created by who created the parent."""
    metadata = ObjectMeta(
        name=names.sub_agent_run_name(call.metadata.name),
        namespace=call.metadata.namespace,
        labels={
            names.LABEL_TASK_RUN_TOOL_CALL: names.label_value(call.metadata.name),
            **lineage.of_child(parent, step.agent),
        },
        annotations={} if span is None else {traces.TRACEPARENT: traces.traceparent(span)},
        owner_references=(owner_reference(call),),
    )
    return TaskRun(
        metadata=with_creator(metadata, parent),
        spec=TaskRunSpec(
            agent_ref=LocalObjectReference(name=step.agent),
            user_message=step.message,
            task_run_tool_call_ref=LocalObjectReference(name=call.metadata.name),
        ),
    )
