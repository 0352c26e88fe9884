"""Counts what the control loops write and call; each number is read off a change of a status, so it is counted once."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from kubechain.api import lineage
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.meta import StatusObject
from kubechain.api.taskrun import LLMClaim, TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.observability import metrics
from kubechain.observability.meter import OTHER, Meter
from kubechain.observability.witness import ModelCall, ModelReply, Witness, Written
from kubechain.runtime.clock import Clock

TURNS_MAX = 10_000
"""Turns whose start is kept: those of runs that another process took over are never ended here."""


class RunMeter(Witness):
    """The counters and histograms of runs, model calls, tool calls and requests to people."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        """Count into a meter."""
        self._meter, self._clock = meter, clock
        self._turns: OrderedDict[str, datetime] = OrderedDict()
        """When the turn of a run began whose end this process may see."""

    def wrote(self, before: Written, after: Written) -> None:
        """Count what a write says for the first time."""
        match before, after:
            case TaskRun(), TaskRun():
                self._wrote_run(before, after)
            case TaskRunToolCall(), TaskRunToolCall():
                self._wrote_call(before, after)
            case HumanRequest(), HumanRequest():
                self._wrote_request(before, after)
            case StatusObject(), StatusObject():
                pass

    def lost(self, obj: Written) -> None:
        """Count a claim that was lost."""
        self._meter.count(metrics.CLAIMS_LOST, obj.kind)

    def answered(self, call: ModelCall, reply: ModelReply) -> None:
        """Count a model call, its tokens and its cost."""
        namespace, llm, model = call.run.metadata.namespace, call.llm, call.model
        result = "failed" if reply.error else "answered"
        self._meter.observe(metrics.MODEL_CALLS, namespace, llm, model, result, seconds=reply.seconds)
        if reply.error:
            self._meter.count(metrics.MODEL_ERRORS, namespace, llm, reply.error)
        if (usage := reply.usage) is None:
            return
        for kind, tokens in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cache_read", usage.cache_read_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            self._meter.count(metrics.TOKENS, namespace, llm, model, kind, by=tokens)
        self._meter.count(metrics.COST, namespace, call.agent, llm, model, by=float(usage.cost or 0))

    def dequeued(self, namespace: str, llm: str, waited_seconds: float) -> None:
        """Count a wait for a slot."""
        self._meter.observe(metrics.QUEUE_WAIT, namespace, llm, seconds=waited_seconds)

    def _wrote_run(self, before: TaskRun, after: TaskRun) -> None:
        was, now = before.status, after.status
        namespace, agent = after.metadata.namespace, _agent_of_run(after)
        if was.pinned is None and now.pinned is not None:
            self._meter.count(metrics.RUNS_STARTED, namespace, agent)
        if now.llm is not None and (was.llm is None or was.llm.token != now.llm.token):
            self._claimed(after, now.llm)
        created_at = after.metadata.creation_timestamp
        if was.turn == 0 and now.turn == 1 and created_at is not None:
            self._meter.observe(
                metrics.FIRST_TURN, namespace, agent, seconds=(self._clock.now() - created_at).total_seconds()
            )
        if was.completion_time is None and now.completion_time is not None:
            self._ended(after, now.completion_time)

    def _claimed(self, run: TaskRun, claim: LLMClaim) -> None:
        pinned, namespace = run.status.pinned, run.metadata.namespace
        own = pinned.llm_name if pinned is not None else ""
        llm = claim.llm_name or own
        if claim.attempt > 0:
            self._meter.count(metrics.MODEL_RETRIES, namespace, llm)
        elif claim.summary_through is None:
            self._turned(run, claim.started_at)
            self._turns[run.metadata.uid] = claim.started_at
            if len(self._turns) > TURNS_MAX:
                self._turns.popitem(last=False)
        if llm != own:
            self._meter.count(metrics.MODEL_FALLBACKS, namespace, llm)

    def _turned(self, run: TaskRun, at: datetime) -> None:
        began_at = self._turns.pop(run.metadata.uid, None)
        if began_at is not None:
            seconds = (at - began_at).total_seconds()
            self._meter.observe(metrics.TURN_DURATION, run.metadata.namespace, _agent_of_run(run), seconds=seconds)

    def _ended(self, run: TaskRun, at: datetime) -> None:
        labels = run.metadata.namespace, _agent_of_run(run), str(run.status.phase or "")
        self._meter.count(metrics.RUNS_ENDED, *labels)
        self._turned(run, self._clock.now())
        if run.status.start_time is not None:
            seconds = (at - run.status.start_time).total_seconds()
            self._meter.observe(metrics.RUN_DURATION, *labels, seconds=seconds)

    def _wrote_call(self, before: TaskRunToolCall, after: TaskRunToolCall) -> None:
        was, now = before.status, after.status
        if was.completion_time is not None or now.completion_time is None:
            return
        namespace, tool, end = after.metadata.namespace, _tool(after), str(now.phase or "")
        agent = after.metadata.labels.get(lineage.LABEL_AGENT, "")
        self._meter.count(metrics.TOOL_CALLS, namespace, agent, tool, end)
        if now.phase == ToolCallPhase.OUTCOME_UNKNOWN:
            self._meter.count(metrics.UNKNOWN_OUTCOMES, namespace, tool)
        if now.execution is not None:
            seconds = (self._clock.now() - now.execution.started_at).total_seconds()
            self._meter.observe(metrics.TOOL_DURATION, namespace, tool, end, seconds=seconds)

    def _wrote_request(self, before: HumanRequest, after: HumanRequest) -> None:
        was, now = before.status.phase, after.status.phase
        if now is None or not now.is_terminal or (was is not None and was.is_terminal):
            return
        labels = after.metadata.namespace, str(after.spec.request.type), str(now)
        self._meter.count(metrics.REQUESTS_ENDED, *labels)
        created_at = after.metadata.creation_timestamp
        if created_at is not None:
            seconds = ((after.status.decided_at or self._clock.now()) - created_at).total_seconds()
            self._meter.observe(metrics.HUMAN_WAIT, *labels, seconds=seconds)


def _agent_of_run(run: TaskRun) -> str:
    pinned, named = run.status.pinned, run.spec.agent_ref
    return pinned.agent_name if pinned is not None else named.name if named is not None else ""


def _tool(call: TaskRunToolCall) -> str:
    """The tool, where it was offered: a model may ask for any name."""
    return call.spec.tool_ref.name if call.spec.tool_type is not None else OTHER
