"""TaskRun's control loop: observe, decide, effect, settle, write, until the run waits for something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from kubechain.api import names, reasons
from kubechain.api.agent import Agent
from kubechain.api.llm import LLM
from kubechain.api.task import Task
from kubechain.api.taskrun import LLMClaim, PendingToolCall, TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers import recording
from kubechain.controllers.frame import Settled, StatusWriter
from kubechain.controllers.inflight import Interrupted
from kubechain.controllers.offers import Found, Sources
from kubechain.controllers.recording import REFUSALS, Recorder
from kubechain.controllers.replica import Replica
from kubechain.controllers.resources import TASK_RUNS
from kubechain.controllers.taskrun import settle
from kubechain.controllers.taskrun.claims import claim_for, holds
from kubechain.controllers.taskrun.decide import decide, seconds_to_deadline, taken
from kubechain.controllers.taskrun.effects import ModelCaller, create_tool_calls
from kubechain.controllers.taskrun.observe import Observed, agent_reference
from kubechain.controllers.taskrun.outcomes import Answered, Deferred, Outcome, Refused, wait_seconds
from kubechain.controllers.taskrun.slots import Slots
from kubechain.controllers.taskrun.steps import (
    AnswerToolCalls,
    Begin,
    Cancel,
    CreateToolCalls,
    Delete,
    Fail,
    Rest,
    SendToLLM,
    Wait,
)
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import ApiError, NotFound, TooLarge
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

log = structlog.get_logger(__name__)

DEFAULT_CALL_TIMEOUT_SECONDS = 300.0
"""Long enough for a model that thinks, short enough that a lost connection is noticed the same morning."""


QUIET_SECONDS = 1.0
"""How long a run stands in line for a slot of its LLM before it says so: most such waits are over before anybody looks,
and a status write for each would be a third more of them."""


@dataclass(frozen=True, slots=True)
class Caches:
    """What a run reads without asking the API server."""

    runs: Lister[TaskRun]
    tasks: Lister[Task]
    agents: Lister[Agent]
    llms: Lister[LLM]
    tool_calls: Lister[TaskRunToolCall]
    sources: Sources


class TaskRunReconciler:
    """Moves every run to its final answer, or to a recorded reason why there is none."""

    def __init__(
        self,
        *,
        caches: Caches,
        caller: ModelCaller,
        client: Client,
        recorder: Recorder[TaskRun],
        writer: StatusWriter,
        replica: Replica,
        slots: Slots,
        clock: Clock,
        doubt_llm: Callable[[Request], None],
    ) -> None:
        """Assemble the loop.

        Args:
            doubt_llm: Told when a provider refuses a run with an LLM that was thought to be good.
        """
        self._caches = caches
        self._caller = caller
        self._client = client
        self._recorder = recorder
        self._writer = writer
        self._replica = replica
        self._slots = slots
        self._clock = clock
        self._doubt_llm = doubt_llm

    async def reconcile(self, request: Request) -> Result:
        """Take one run as far as it goes without waiting."""
        with self._slots.chance(request):
            return await self._advance(request)

    async def _advance(self, request: Request) -> Result:
        run = self._caches.runs.get(request.namespace, request.name)
        is_live = False
        while run is not None and run.metadata.deletion_timestamp is None:
            observed = await self._observe(run)
            match decide(observed):
                case Rest(requeue_after_seconds):
                    return Result(requeue_after_seconds=_soonest(requeue_after_seconds, seconds_to_deadline(observed)))
                case Wait() as step:
                    await self._writer.write(TASK_RUNS, run, settle.waiting(run, step))
                    return Result(requeue_after_seconds=seconds_to_deadline(observed))
                case SendToLLM() as step:
                    assert observed.llm is not None
                    with self._slots.take(observed.llm, request) as is_taken:
                        if not is_taken:
                            return await self._stand_in_line(observed, observed.llm)
                        run = await self._send(observed, observed.llm, step)
                case CreateToolCalls() if not is_live:
                    # The cache may be behind: a call that was answered and deleted since must not be made again.
                    run = await self._recorder.look(run)
                case CreateToolCalls(missing):
                    run = await self._create_tool_calls(run, missing)
                case Delete():
                    return await self._delete(run)
                case Begin() | AnswerToolCalls() | Fail() | Cancel() as step:
                    run = await self._write(run, self._settle(run, step))
            is_live = True
        return Result()

    async def _observe(self, run: TaskRun) -> Observed:
        namespace, pinned = run.metadata.namespace, run.status.pinned
        task = self._caches.tasks.get(namespace, run.spec.task_ref.name) if run.spec.task_ref else None
        reference = agent_reference(run, task)
        agent_name = pinned.agent_name if pinned else (reference.name if reference else "")
        agent = self._caches.agents.get(namespace, agent_name) if agent_name else None
        llm_name = pinned.llm_name if pinned else (agent.spec.llm_ref.name if agent else "")
        return Observed(
            run=run,
            task=task,
            agent=agent,
            llm=self._caches.llms.get(namespace, llm_name) if llm_name else None,
            now=self._clock.now(),
            tools=self._tools(run, agent),
            calls=self._calls(run),
            holder_gone_in_seconds=await self._holder_gone_in_seconds(run),
        )

    def _calls(self, run: TaskRun) -> dict[str, TaskRunToolCall]:
        """The objects of the open turn, by the names that they must have: a run of days has thousands of others."""
        namespace, name, turn = run.metadata.namespace, run.metadata.name, run.status.turn
        wanted = (names.tool_call_name(name, turn=turn, index=call.idx) for call in run.status.pending_turn)
        found = (self._caches.tool_calls.get(namespace, one) for one in wanted)
        return {call.metadata.name: call for call in found if call is not None}

    def _tools(self, run: TaskRun, agent: Agent | None) -> tuple[Found, ...]:
        if run.status.pinned is not None:
            return tuple(self._caches.sources.find(run.metadata.namespace, tool) for tool in run.status.pinned.tools)
        return self._caches.sources.offers_of(agent) if agent else ()

    async def _holder_gone_in_seconds(self, run: TaskRun) -> float:
        claim = run.status.llm
        if run.status.phase != TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM or claim is None:
            return 0.0
        return await self._replica.gone_in_seconds(claim.holder)

    def _settle(self, run: TaskRun, step: Begin | AnswerToolCalls | Fail | Cancel) -> Settled:
        match step:
            case Begin():
                return settle.begun(run, step, self._clock.now())
            case AnswerToolCalls():
                return settle.tools_answered(run, step)
            case Fail():
                return settle.failed(run, step, self._clock.now())
            case Cancel():
                return settle.cancelled(run, self._clock.now())

    async def _write(self, run: TaskRun, settled: Settled) -> TaskRun | None:
        try:
            return await self._writer.write(TASK_RUNS, run, settled)
        except REFUSALS as error:
            return await self._writer.write(TASK_RUNS, run, self._refused(run, error))

    def _refused(self, run: TaskRun, error: ApiError) -> Settled:
        """What to record instead of a status that the server will never take."""
        reason = reasons.CONTEXT_WINDOW_TOO_LARGE if isinstance(error, TooLarge) else reasons.STATUS_REFUSED
        return settle.failed(run, Fail(reason, f"the API server refused the status: {error}"), self._clock.now())

    async def _create_tool_calls(self, run: TaskRun, missing: Sequence[PendingToolCall]) -> TaskRun | None:
        """W4."""
        try:
            conflict = await create_tool_calls(self._client, run, missing)
        except REFUSALS as error:
            step = Fail(reasons.TOOL_CALL_REFUSED, f"the API server refused a tool call: {error}")
        else:
            if conflict is None:
                return run
            step = Fail(reasons.TOOL_CALL_NAME_TAKEN, taken(conflict.name))
        return await self._write(run, settle.failed(run, step, self._clock.now()))

    async def _delete(self, run: TaskRun) -> Result:
        try:
            await self._client.delete(TASK_RUNS, run.metadata.namespace, run.metadata.name, uid=run.metadata.uid)
        except NotFound:
            log.debug("expired run is gone already")
        return Result()

    async def _stand_in_line(self, observed: Observed, llm: LLM) -> Result:
        """All slots of the LLM are taken. Whoever waits for longer than a moment says so; it will be woken."""
        run, left_seconds = observed.run, seconds_to_deadline(observed)
        waited_seconds = self._slots.waited_seconds(llm, Request(run.metadata.namespace, run.metadata.name))
        if waited_seconds < QUIET_SECONDS:
            return Result(requeue_after_seconds=_soonest(QUIET_SECONDS - waited_seconds, left_seconds))
        step = Wait(reasons.waiting_for_slot(llm.metadata.name))
        await self._writer.write(TASK_RUNS, run, settle.waiting(run, step))
        return Result(requeue_after_seconds=left_seconds)

    async def _send(self, observed: Observed, llm: LLM, step: SendToLLM) -> TaskRun | None:
        """W2, the call, W3."""
        left_seconds = seconds_to_deadline(observed)
        timeout_seconds = _soonest(llm.spec.timeout_seconds or DEFAULT_CALL_TIMEOUT_SECONDS, left_seconds)
        assert timeout_seconds is not None
        claim = claim_for(
            observed.run,
            turn=step.turn,
            attempt=step.attempt,
            holder=self._replica.identity,
            now=observed.now,
            timeout_seconds=timeout_seconds,
        )
        claimed = await self._writer.write(TASK_RUNS, observed.run, settle.claimed(observed.run, claim))
        if claimed is None:
            return None
        outcome = await self._caller.ask(
            claimed,
            llm,
            step.offers,
            claim,
            timeout_seconds=timeout_seconds,
            left_seconds=left_seconds,
            is_unwanted=lambda: self._is_unwanted(claimed),
        )
        return await self._settle_turn(claimed, claim, outcome)

    def _is_unwanted(self, run: TaskRun) -> bool:
        latest = self._caches.runs.get(run.metadata.namespace, run.metadata.name)
        return latest is None or latest.spec.cancel or latest.metadata.deletion_timestamp is not None

    async def _settle_turn(self, run: TaskRun, claim: LLMClaim, outcome: Outcome) -> TaskRun | None:
        match outcome:
            case Interrupted():
                return await self._recorder.look(run)
            case Refused(doubts_llm=True) if run.status.pinned is not None:
                self._doubt_llm(Request(run.metadata.namespace, run.status.pinned.llm_name))
            case _:
                pass
        jitter = self._clock.random.random()
        record: recording.Outcome[TaskRun] = recording.Outcome(
            holds=lambda current: holds(current, claim),
            settle=lambda current: self._settled(current, claim, outcome, jitter),
            refused=self._refused,
        )
        return await self._recorder.record(run, record)

    def _settled(self, run: TaskRun, claim: LLMClaim, outcome: Outcome, jitter: float) -> Settled:
        now = self._clock.now()
        match outcome:
            case Answered(completion):
                settled = settle.answered(run, completion, now)
                return replace(settled, events=(*self._agent_news(run), *settled.events))
            case Deferred():
                wait = wait_seconds(outcome, attempt=claim.attempt, jitter=jitter)
                return settle.deferred(run, outcome, wait_seconds=wait, now=now)
            case Refused(reason, message):
                return settle.failed(run, Fail(reason, message), now)
            case Interrupted():
                raise AssertionError("an interrupted call has nothing to record")

    def _agent_news(self, run: TaskRun) -> tuple[settle.Event, ...]:
        pinned = run.status.pinned
        if pinned is None or self._caches.agents.get(run.metadata.namespace, pinned.agent_name) is not None:
            return ()
        return (settle.agent_gone(pinned.agent_name),)


def _soonest(*moments: float | None) -> float | None:
    return min((seconds for seconds in moments if seconds is not None), default=None)
