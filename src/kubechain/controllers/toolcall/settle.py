"""What a step or an outcome means for a tool call's status: pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api import names, reasons, traces
from kubechain.api.humanrequest import HumanRequestType
from kubechain.api.taskrun import SpanContext, TaskRun
from kubechain.api.taskruntoolcall import (
    Elicitation,
    Execution,
    HumanInput,
    TaskRunToolCall,
    ToolCallPhase,
    ToolCallStatusType,
)
from kubechain.api.tool import ToolSemantics
from kubechain.controllers import decisions
from kubechain.controllers.frame import Settled, normal, warning
from kubechain.controllers.toolcall import elicitations, grants, unknowns, verdicts
from kubechain.controllers.toolcall.claims import tries
from kubechain.controllers.toolcall.decide import ATTEMPTS_MAX, INTERRUPTED, UNASKED
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.outcomes import Answered, Elicits, Interrupted, NotDone, Outcome, Unclear
from kubechain.controllers.toolcall.steps import ReportUnknown, TakeReply
from kubechain.net.foreign import cut, cut_bytes, harmless
from kubechain.runtime.errors import FINAL_REFUSALS, WriteRefused

RESULT_MAX_BYTES = 900_000
"""Limit of `result`: etcd refuses objects over 1.5 MiB, and the arguments are in the same object."""

SCARCE_RESULT_BYTES = 64 * 1024
"""Limit of a result that the server refused: in JSON a control character takes six bytes."""

ERROR_MAX_CHARACTERS = 1_024

ASKING = (*UNASKED, ToolCallPhase.AWAITING_HUMAN_INPUT, ToolCallPhase.ERROR_REQUESTING_HUMAN_INPUT)
"""Phases of a call that waits for a person."""


def waiting(
    call: TaskRunToolCall,
    detail: str,
    requeue_after_seconds: float | None = None,
    *,
    blocked_since: datetime | None = None,
) -> Settled:
    """The call waits; its status says for what.

    Args:
        blocked_since: Where the wait has a limit: since when.
    """
    events = () if call.status.status_detail == detail else (normal(reasons.WAITING, detail),)
    is_approved = call.status.phase == ToolCallPhase.READY_TO_EXECUTE_APPROVED_TOOL
    status = {
        "phase": ToolCallPhase.READY_TO_EXECUTE_APPROVED_TOOL if is_approved else ToolCallPhase.PENDING,
        "ready": False,
        "status": ToolCallStatusType.PENDING,
        "status_detail": detail,
        "blocked_since": blocked_since,
    }
    return Settled(status, events, requeue_after_seconds)


def refused(observed: Observed, refusal: WriteRefused) -> Settled:
    """The API server refuses the other Agent's run, or the call's status: tried again, with a limit before it began."""
    call, block, text = observed.call, observed.block, str(refusal)
    reason = reasons.SUB_AGENT_REFUSED if refusal.is_create else reasons.STATUS_REFUSED
    is_asking = call.status.phase in ASKING
    if refusal.is_create and is_asking and not block.is_over:
        return verdicts.not_asked(call, block, refusal)
    is_unbegun = is_asking or call.status.phase in (None, ToolCallPhase.PENDING)
    if is_unbegun and (block.is_over or isinstance(refusal.error, FINAL_REFUSALS)):
        return not_carried_out(call, block.given_up(text) if block.is_over else text, observed.now)
    status = {
        "ready": False,
        "status": ToolCallStatusType.ERROR,
        "status_detail": block.told(text),
        "blocked_since": block.since,
    }
    events = (warning(reason, _cut(text)),) if call.status.blocked_since is None else ()
    phase = {"phase": ToolCallPhase.PENDING} if is_unbegun and not is_asking else {}
    return Settled(phase | status, events, requeue_after_seconds=block.retry_seconds)


def delayed(call: TaskRunToolCall, refusal: WriteRefused) -> Settled:
    """The call is over, and the API server does not take its result yet."""
    del call
    text = _cut(f"The call is over, and {refusal}; trying again")
    status = {"ready": False, "status": ToolCallStatusType.ERROR, "status_detail": text}
    return Settled(status, (warning(reasons.STATUS_REFUSED, text),))


def claimed(call: TaskRunToolCall, run: TaskRun | None, execution: Execution) -> Settled:
    """T4: this process carries the call out."""
    return Settled(
        {
            "phase": ToolCallPhase.RUNNING,
            "ready": True,
            "status": ToolCallStatusType.READY,
            "status_detail": "Carrying the call out",
            "execution": execution,
            "blocked_since": None,
            "start_time": call.status.start_time or execution.started_at,
            "span_context": span_of(call, run, execution.started_at),
        },
        facts={"attempt": execution.attempt, "tool": call.spec.tool_ref.name},
    ).then(grants.used(call, run))


def carrying_out(call: TaskRunToolCall, detail: str) -> Settled:
    """What a claimed call waits for; its phase stays."""
    text = _cut(detail)
    return Settled({"status_detail": text}, (normal(reasons.WAITING, text),))


def span_of(call: TaskRunToolCall, run: TaskRun | None, now: datetime) -> SpanContext | None:
    """The call's place in the trace of its run; it stays where it is when the call is carried out again."""
    if run is None or call.status.span_context is not None:
        return call.status.span_context
    return traces.of_part(run, traces.span_id_of(call.metadata.uid), now)


def delegated(call: TaskRunToolCall, run: TaskRun | None, now: datetime) -> Settled:
    """A run of another Agent answers the call."""
    child = names.sub_agent_run_name(call.metadata.name)
    text = f'Waiting for the agent\'s run "{child}"'
    return Settled(
        {
            "phase": ToolCallPhase.AWAITING_SUB_AGENT,
            "ready": True,
            "status": ToolCallStatusType.READY,
            "status_detail": text,
            "external_call_id": child,
            "blocked_since": None,
            "start_time": call.status.start_time or now,
            "span_context": span_of(call, run, now),
        },
        (normal(reasons.SUB_AGENT_STARTED, f"Created TaskRun {child}"),),
    ).then(grants.used(call, run))


def concluded(call: TaskRunToolCall, outcome: Outcome, now: datetime, *, run: TaskRun | None = None) -> Settled:
    """T5: the end of a call, or another attempt, or a question to a person.

    Args:
        run: The call's own, which knows whether a person is asked when the outcome is not known; None where it is gone.
    """
    match outcome:
        case Answered(content, is_error=False):
            return succeeded(call, content, now)
        case Answered(content):
            return failed(call, content, now, is_answer=True)
        case NotDone(message, may_pass=True) if _may_try_again(call):
            return waiting(call, f"Trying again: {message}")
        case NotDone(message):
            return failed(call, message, now)
        case Unclear(message) if _is_repeatable(call) and _may_try_again(call):
            return waiting(call, f"Trying again: {message}")
        case Unclear(message):
            return unclear(call, run, message, now)
        case Elicits(asked):
            return elicited(call, run, asked, now)
        case Interrupted():
            return cancelled(call, INTERRUPTED, now)


def elicited(call: TaskRunToolCall, run: TaskRun | None, asked: Elicitation, now: datetime) -> Settled:
    """T5: the MCP server asks people for something first."""
    elicitation = elicitations.counted(call, asked)
    if run is None or elicitation.rounds > elicitations.ROUNDS_MAX:
        return failed(call, elicitations.TOO_MANY if run is not None else "its run is gone", now)
    return elicitations.recorded(call, run, elicitation, now)


def _may_try_again(call: TaskRunToolCall) -> bool:
    return call.status.execution is not None and tries(call) < ATTEMPTS_MAX


def _is_repeatable(call: TaskRunToolCall) -> bool:
    return call.status.execution is not None and call.status.execution.semantics == ToolSemantics.IDEMPOTENT


def succeeded(call: TaskRunToolCall, content: str, now: datetime) -> Settled:
    """The tool answered with a result."""
    text = "Tool executed successfully"
    status = _over(ToolCallPhase.SUCCEEDED, ToolCallStatusType.SUCCEEDED, text, now)
    status |= {"ready": True, "result": stored(content), "error": None}
    return Settled(status, (normal(reasons.TOOL_CALL_SUCCEEDED, text),), facts=_facts(call, now))


def failed(call: TaskRunToolCall, message: str, now: datetime, *, is_answer: bool = False) -> Settled:
    """The call failed. The error goes to the model as the result of the call.

    Args:
        is_answer: The message is the tool's own, of any length; `result` has the whole of it.
    """
    text = "The tool answered with an error" if is_answer else _cut(message)
    status = _over(ToolCallPhase.FAILED, ToolCallStatusType.ERROR, text, now)
    status |= {"error": _cut(message)} | ({"result": stored(message)} if is_answer else {})
    return Settled(status, (warning(reasons.TOOL_CALL_FAILED, text),), facts=_facts(call, now))


def not_carried_out(call: TaskRunToolCall, message: str, now: datetime) -> Settled:
    """The call cannot go on; one that a person was to be asked about may have taken effect before."""
    asked = call.status.open_question
    if isinstance(asked, HumanInput) and asked.type == HumanRequestType.OUTCOME:
        return unknown(call, f"{call.status.error}; {message}", now)
    return failed(call, message, now)


def child_deleted(call: TaskRunToolCall, run: TaskRun | None, now: datetime) -> Settled:
    """The run of the other Agent was deleted before it had answered; it is not created again."""
    return unclear(call, run, f'the agent\'s run "{names.sub_agent_run_name(call.metadata.name)}" was deleted', now)


def unclear(call: TaskRunToolCall, run: TaskRun | None, message: str, now: datetime) -> Settled:
    """It is not known whether the call took effect: the model is told so, or a person is asked first."""
    problem = _cut(message)
    asked = unknowns.asked(call, run, problem, now)
    if asked is None:
        return unknown(call, message, now)
    return verdicts.asked(call, asked, now).then(Settled({"error": problem}))


def reported(call: TaskRunToolCall, run: TaskRun | None, step: ReportUnknown, now: datetime) -> Settled:
    """T6: it is not known whether the call took effect."""
    if step.input is None:
        return unclear(call, run, step.message, now)
    return unknown(call, step.message, now).then(Settled({"input": step.input}))


def replied(call: TaskRunToolCall, step: TakeReply, now: datetime) -> Settled:
    """T3: a person told the result of the call."""
    text = f"{step.input.choice} by {decisions.author(step.input)}"
    settled = succeeded(call, step.result, now)
    status = settled.status | {"status_detail": text, "input": step.input}
    return Settled(status, (normal(reasons.ANSWERED, text),), facts=settled.facts)


def unknown(call: TaskRunToolCall, message: str, now: datetime) -> Settled:
    """It is not known whether the call took effect."""
    text = _cut(f"{message}: it may or may not have taken effect")
    status = _over(ToolCallPhase.OUTCOME_UNKNOWN, ToolCallStatusType.ERROR, text, now) | {"error": _cut(message)}
    return Settled(status, (warning(reasons.OUTCOME_UNKNOWN, text),), facts=_facts(call, now))


def cancelled(call: TaskRunToolCall, message: str, now: datetime) -> Settled:
    """No run waits for the call any more."""
    status = _over(ToolCallPhase.CANCELLED, ToolCallStatusType.ERROR, message, now) | {"error": message}
    return Settled(status, (normal(reasons.CANCELLED, message),), facts=_facts(call, now))


def late(content: str) -> Settled:
    """A result that came after another process had ended the call as unknown: it is kept, and has no effect."""
    return Settled({"late_result": stored(content)}, (warning(reasons.LATE_RESULT, "An answer came too late"),))


def _over(phase: ToolCallPhase, status: ToolCallStatusType, detail: str, now: datetime) -> dict[str, Any]:
    return {
        "phase": phase,
        "ready": False,
        "status": status,
        "status_detail": detail,
        "completion_time": now,
        "blocked_since": None,
    }


def _facts(call: TaskRunToolCall, now: datetime) -> dict[str, Any]:
    execution = call.status.execution
    took = {} if execution is None else {"duration_seconds": round((now - execution.started_at).total_seconds(), 3)}
    return {"tool": call.spec.tool_ref.name} | took


def stored(content: str, limit_bytes: int = RESULT_MAX_BYTES) -> str:
    """A result as it is stored: without what drives a terminal, truncated where it is over the limit, with a note."""
    content = harmless(content)
    return cut_bytes(content, limit_bytes, note=lambda left: f"\n[{left} bytes left out: the result is over the limit]")


def _cut(text: str) -> str:
    return cut(harmless(text), ERROR_MAX_CHARACTERS)
