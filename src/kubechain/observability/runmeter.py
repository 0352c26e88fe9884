"""Counts what the control loops write and call; each number is read off a change of a status, so it is counted once."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from kubechain.api import lineage
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskrun import LLMClaim, TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.observability import metrics
from kubechain.observability.meter import OTHER, Meter
from kubechain.observability.witness import ByKind, ModelCall, ModelReply, Written
from kubechain.runtime.clock import Clock

TURNS_MAX = 10_000
"""Turns whose start is kept: those of runs that another process took over are never ended here."""


class RunMeter(ByKind):
    """The counters and histograms of runs, model calls, tool calls and requests to people."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        """Count into a meter."""
        self._meter, self._clock = meter, clock
        self._turns: OrderedDict[str, datetime] = OrderedDict()
        """When the turn of a run began whose end this process may see."""

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

    def wrote_run(self, before: TaskRun, after: TaskRun) -> None:
        """Count what a write says for the first time: the begin of a run, a claim, the first answer."""
        was, now = before.status, after.status
        namespace, agent = after.metadata.namespace, _agent_of_run(after)
        if was.pinned is None and now.pinned is not None:
            self._meter.count(metrics.RUNS_STARTED, namespace, agent)
        if now.llm is not None and (was.llm is None or was.llm.token != now.llm.token):
            self._claimed(after, now.llm)
        created_at = after.metadata.creation_timestamp
        # status.turn goes up only when the tools of the turn have answered, and people have decided about them.
        is_first_answer = not was.turn_records and [record.turn for record in now.turn_records] == [1]
        if is_first_answer and created_at is not None:
            self._meter.observe(
                metrics.FIRST_TURN, namespace, agent, seconds=(self._clock.now() - created_at).total_seconds()
            )

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
        if pinned is not None and any(one.name == llm for one in pinned.fallbacks):
            self._meter.count(metrics.MODEL_FALLBACKS, namespace, llm)

    def _turned(self, run: TaskRun, at: datetime) -> None:
        began_at = self._turns.pop(run.metadata.uid, None)
        if began_at is not None:
            seconds = (at - began_at).total_seconds()
            self._meter.observe(metrics.TURN_DURATION, run.metadata.namespace, _agent_of_run(run), seconds=seconds)

    def run_ended(self, run: TaskRun, at: datetime) -> None:
        """Count a run by its end."""
        labels = run.metadata.namespace, _agent_of_run(run), str(run.status.phase or "")
        self._meter.count(metrics.RUNS_ENDED, *labels)
        self._turned(run, self._clock.now())
        if run.status.start_time is not None:
            seconds = (at - run.status.start_time).total_seconds()
            self._meter.observe(metrics.RUN_DURATION, *labels, seconds=seconds)

    def call_ended(self, call: TaskRunToolCall) -> None:
        """Count a tool call by its end."""
        now = call.status
        namespace, tool, end = call.metadata.namespace, _tool(call), str(now.phase or "")
        agent = call.metadata.labels.get(lineage.LABEL_AGENT, "")
        self._meter.count(metrics.TOOL_CALLS, namespace, agent, tool, end)
        if now.phase == ToolCallPhase.OUTCOME_UNKNOWN:
            self._meter.count(metrics.UNKNOWN_OUTCOMES, namespace, tool)
        if now.execution is not None:
            seconds = (self._clock.now() - now.execution.started_at).total_seconds()
            self._meter.observe(metrics.TOOL_DURATION, namespace, tool, end, seconds=seconds)

    def request_ended(self, request: HumanRequest) -> None:
        """Count a request by its end."""
        labels = request.metadata.namespace, str(request.spec.request.type), str(request.status.phase)
        self._meter.count(metrics.REQUESTS_ENDED, *labels)
        created_at = request.metadata.creation_timestamp
        if created_at is not None:
            seconds = ((request.status.decided_at or self._clock.now()) - created_at).total_seconds()
            self._meter.observe(metrics.HUMAN_WAIT, *labels, seconds=seconds)


def _agent_of_run(run: TaskRun) -> str:
    pinned, named = run.status.pinned, run.spec.agent_ref
    return pinned.agent_name if pinned is not None else named.name if named is not None else ""


def _tool(call: TaskRunToolCall) -> str:
    """The tool, where it was offered: a model may ask for any name."""
    return call.spec.tool_ref.name if call.spec.tool_type is not None else OTHER
