"""TaskRun's control loop."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import structlog

from kubechain.api import names, reasons
from kubechain.api.llm import LLM
from kubechain.api.taskrun import TaskRun
from kubechain.controllers import frame
from kubechain.controllers.frame import Again, Done, Settled, StatusWriter, next_version, soonest
from kubechain.controllers.requesting import Requester
from kubechain.controllers.taskrun import ends, limitstops, overruns, queued, refusals, settle, treecalls
from kubechain.controllers.taskrun.chunkstore import ChunkStore
from kubechain.controllers.taskrun.claims import holds
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.decide import decide, seconds_to_deadline, taken
from kubechain.controllers.taskrun.effects import Turn, create_tool_calls
from kubechain.controllers.taskrun.llmqueue import ModelQueue
from kubechain.controllers.taskrun.observe import Observed, Observer
from kubechain.controllers.taskrun.steps import (
    AnswerToolCalls,
    AskForBudget,
    Begin,
    Cancel,
    Confirm,
    CreateBudgetRequest,
    CreateToolCalls,
    Delete,
    Fail,
    GoOn,
    HoldForBudgets,
    SendToLLM,
    Step,
    Summarise,
    Wait,
    WaitAbove,
)
from kubechain.controllers.taskrun.treecalls import TreeCalls
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import FINAL_REFUSALS, REFUSALS, NotFound, TooLarge, WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

log = structlog.get_logger(__name__)

SHORTEST_WAIT_SECONDS = 0.001
"""Of a queued run, before it looks again."""

QUIET_SECONDS = 1.0
"""How long a run is queued for its LLM before its status shows it: most waits are shorter, and recording each of them
would add a third to all status writes."""


@dataclass(frozen=True, slots=True)
class TaskRunReconciler:
    """Moves every run to its final answer, or to a recorded reason why there is none."""

    runs: Lister[TaskRun]
    observer: Observer
    turn: Turn
    queue: ModelQueue
    tree_calls: TreeCalls
    requester: Requester
    writer: StatusWriter[TaskRun]
    chunks: ChunkStore
    clock: Clock

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type, ...]] = (CreateToolCalls, CreateBudgetRequest)

    async def reconcile(self, request: Request) -> Result:
        """Take one run through its steps until it has to wait or is over."""
        with self.queue.reconciling(request):
            return await frame.reconcile(self, self.runs, request)

    async def observe(self, obj: TaskRun) -> Observed:
        """Read what the run depends on."""
        return await self.observer.observe(obj)

    def decide(self, observed: Observed) -> Step | Done:
        """The next step for one run."""
        return decide(observed)

    async def carry_out(self, observed: Observed, step: Step) -> Again[TaskRun] | Done:
        """Wait, begin, call the model, create or answer tool calls, end or delete the run."""
        run, now = observed.run, self.clock.now()
        match step:
            case Wait():
                return await self.writer.finish(run, settle.waiting(run, step))
            case Begin():
                return await self._begin(run, step)
            case SendToLLM() | Summarise():
                return await self._send(observed, step)
            case CreateToolCalls():
                return await self._create_tool_calls(run, step)
            case AnswerToolCalls():
                return await self._record(run, settle.tools_answered(run, step))
            case AskForBudget() | WaitAbove() | GoOn() | CreateBudgetRequest():
                return await self._at_limit(observed, step)
            case HoldForBudgets():
                return Again(await self.writer.add_finalizer(run, names.BUDGET_FINALIZER))
            case Fail():
                return await self._write(run, ends.failed(run, step, now))
            case Cancel():
                return await self._write(run, ends.cancelled(run, now))
            case Confirm():
                return Again(await self.writer.write(run, ends.confirmed(run)))
            case Delete():
                return await self._delete(run)

    def refused(self, observed: Observed, refusal: WriteRefused) -> Settled | None:
        """A tool call, or the run's status, is refused; an ended run stays as it is."""
        if observed.run.status.completion_time is not None:
            return None
        return refusals.refused(observed, refusal)

    async def forget(self, request: Request) -> None:
        """Nothing: this process holds nothing for a run that is not calling its model."""
        del request

    async def _begin(self, run: TaskRun, step: Begin) -> Again[TaskRun]:
        """W1. A conversation that is copied has any size: what of it goes into ContextChunks is created before."""
        record = settle.begun(run, step, self.clock.now())
        if step.continued is not None:
            record = await self.chunks.shortened(run, record)
        return await self._record(run, record)

    async def _record(self, run: TaskRun, record: Settled) -> Again[TaskRun]:
        """W1 or W5, in one write with W2 where the LLM has a slot for the run, else alone."""
        observed = await self.observe(next_version(run, record))
        step = self.decide(observed)
        if not isinstance(step, SendToLLM):
            return await self._write(run, record)
        with self._reserved(observed, step) as is_reserved:
            if is_reserved:
                return await self._take(run, record, observed, step)
        return await self._write(run, record)

    async def _write(self, run: TaskRun, settled: Settled) -> Again[TaskRun]:
        try:
            return Again(await self.writer.write(run, await self.chunks.shortened(run, settled)))
        except FINAL_REFUSALS as error:
            return Again(await self.writer.write(run, self._refused(run, error)))

    def _refused(self, run: TaskRun, error: Exception) -> Settled:
        """The status in place of one that the server refuses for good."""
        reason = reasons.CONTEXT_WINDOW_TOO_LARGE if isinstance(error, TooLarge) else reasons.STATUS_REFUSED
        return ends.failed(run, Fail(reason, f"the API server refused the status: {error}"), self.clock.now())

    async def _send(self, observed: Observed, step: SendToLLM | Summarise) -> Again[TaskRun] | Done:
        """W2, the call and W3, once the LLM has a slot for the run."""
        with self._reserved(observed, step) as is_reserved:
            if is_reserved:
                return await self._take(observed.run, Settled(), observed, step)
        llm, request = step.llm, _request(observed.run)
        if (detail := self.tree_calls.wait(request, treecalls.shares(observed, llm))) is not None:
            wait = Wait(detail, seconds_to_deadline(observed))
            return await self.writer.finish(observed.run, settle.waiting(observed.run, wait))
        quiet_seconds, left_seconds = (
            QUIET_SECONDS - self.queue.waited_seconds(llm, request),
            queued.left_seconds(observed),
        )
        if quiet_seconds > 0 and (left_seconds is None or left_seconds > 0):
            # Not less: a wait for the rest of a rounding error would be over at once, again and again.
            return Done(soonest(max(quiet_seconds, SHORTEST_WAIT_SECONDS), left_seconds))
        match queued.queued(observed, llm.metadata.name, self.queue.place(llm, request)):
            case Wait() as wait:
                return await self.writer.finish(observed.run, settle.waiting(observed.run, wait))
            case Fail() as failure:
                return await self._write(observed.run, ends.failed(observed.run, failure, self.clock.now()))

    @contextmanager
    def _reserved(self, observed: Observed, step: SendToLLM | Summarise) -> Generator[bool]:
        """Hold a slot of the LLM that is called; a run that may not call it yet is in its queue, and in no other."""
        llm, request = step.llm, _request(observed.run)
        if observed.fallbacks:
            self.queue.leave_others(llm, request)
        with self.tree_calls.reserve(request, treecalls.shares(observed, llm)) as is_within_limits:
            if not is_within_limits:
                yield False
                return
            size_bytes = _size_bytes(observed, llm)
            with self.queue.reserve(llm, request, agent=observed.pinned_agent_name, size_bytes=size_bytes) as has_slot:
                yield has_slot

    async def _take(
        self, run: TaskRun, record: Settled, observed: Observed, step: SendToLLM | Summarise
    ) -> Again[TaskRun]:
        """W2, with what is recorded before it; then the call and W3.

        A server that refuses both may still take the record: a run that has begun is told, and limited, as one.

        Args:
            run: As the server has it.
            record: What leads from there to the run that `observed` has.
        """
        claim, settled = self.turn.claim(observed, step)
        try:
            claimed = (await self._write(run, record.then(settled))).obj
        except WriteRefused:
            if not record.status:
                raise
            return await self._write(run, record)
        if claimed is None or not holds(claimed, claim):
            return Again(claimed)
        return await self.turn.take(observed, claimed, step, claim, self._refused)

    async def _create_tool_calls(self, run: TaskRun, step: CreateToolCalls) -> Again[TaskRun]:
        """W4."""
        conflict = await create_tool_calls(self.writer.client, run, step.missing)
        if conflict is not None:
            failure = Fail(reasons.TOOL_CALL_NAME_TAKEN, taken(conflict.name))
            return await self._write(run, ends.failed(run, failure, self.clock.now()))
        if run.status.blocked_since is not None:
            return await self._write(run, refusals.tool_calls_created(run))
        return Again(run)

    async def _at_limit(
        self, observed: Observed, step: AskForBudget | WaitAbove | GoOn | CreateBudgetRequest
    ) -> Again[TaskRun] | Done:
        """The run stops at a limit, asks a person, or goes on."""
        run, now = observed.run, self.clock.now()
        match step:
            case AskForBudget():
                return await self._write(run, limitstops.stopped(run, step, now))
            case WaitAbove(detail):
                left_seconds = seconds_to_deadline(observed)
                return await self.writer.finish(run, limitstops.waiting(run, detail, left_seconds, now))
            case GoOn():
                return await self._record(run, limitstops.went_on(run, step, now))
            case CreateBudgetRequest():
                return await self._ask(observed, step)

    async def _ask(self, observed: Observed, step: CreateBudgetRequest) -> Again[TaskRun] | Done:
        """Ask the person; the watch event of the request, or the end of its time, wakes the run then."""
        run, now = observed.run, self.clock.now()
        asked = run.status.open_budget_request
        if trouble := await self.requester.create(run, asked, step.request, step.inquiry):
            return await self._write(run, ends.failed(run, Fail(reasons.LIMIT_EXCEEDED, trouble), now))
        if run.status.blocked_since is not None:
            # Our own write of the request causes no reconcile that would say it.
            return await self._write(run, limitstops.stopped(run, step.ask, now))
        left = overruns.left_seconds(observed, asked) if asked is not None else None
        return Done(soonest(left, seconds_to_deadline(observed)))

    async def _delete(self, run: TaskRun) -> Done:
        """Delete this run, and no other one of its name."""
        metadata = run.metadata
        try:
            await self.writer.client.delete(self.writer.resource, metadata.namespace, metadata.name, uid=metadata.uid)
        except NotFound:
            log.debug("expired run is gone already")
        except REFUSALS as error:
            raise WriteRefused(f'the deletion of the expired TaskRun "{metadata.name}"', error) from error
        return Done()


def _request(run: TaskRun) -> Request:
    return Request(run.metadata.namespace, run.metadata.name)


def _size_bytes(observed: Observed, llm: LLM) -> int:
    """The size of the conversation, where the LLM limits tokens."""
    rate = llm.spec.rate_limit
    return Transcript.of(observed.run).size_bytes if rate is not None and rate.tokens_per_minute is not None else 0
