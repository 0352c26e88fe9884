"""What a step or an outcome means for a tool call's status: pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api import reasons
from kubechain.api.taskrun import SpanContext, TaskRun
from kubechain.api.taskruntoolcall import Execution, TaskRunToolCall, ToolCallPhase, ToolCallStatusType
from kubechain.api.tool import ToolSemantics
from kubechain.controllers.frame import Settled, normal, warning
from kubechain.controllers.inflight import Interrupted
from kubechain.controllers.toolcall.decide import ATTEMPTS_MAX, INTERRUPTED
from kubechain.controllers.toolcall.outcomes import Answered, NotDone, Outcome, Unclear

RESULT_MAX_BYTES = 900_000
"""etcd refuses objects over 1.5 MiB, and arguments may be large too; a longer result keeps its head and says so."""

SCARCE_RESULT_BYTES = 64 * 1024
"""What is kept where the server refused even that: JSON makes six bytes of a control character."""

ERROR_MAX_CHARACTERS = 1_024


def waiting(call: TaskRunToolCall, detail: str) -> Settled:
    """The call says what it waits for."""
    events = () if call.status.status_detail == detail else (normal(reasons.WAITING, detail),)
    status = {
        "phase": ToolCallPhase.PENDING,
        "ready": False,
        "status": ToolCallStatusType.PENDING,
        "status_detail": detail,
    }
    return Settled(status, events)


def claimed(call: TaskRunToolCall, run: TaskRun | None, execution: Execution) -> Settled:
    """T4."""
    return Settled(
        {
            "phase": ToolCallPhase.RUNNING,
            "ready": True,
            "status": ToolCallStatusType.READY,
            "status_detail": "Carrying the call out",
            "execution": execution,
            "start_time": call.status.start_time or execution.started_at,
            "span_context": _span(call, run),
        },
        facts={"attempt": execution.attempt, "tool": call.spec.tool_ref.name},
    )


def _span(call: TaskRunToolCall, run: TaskRun | None) -> SpanContext | None:
    """The call's place in the trace of its run."""
    if run is None or run.status.span_context is None:
        return None
    return SpanContext(trace_id=run.status.span_context.trace_id, span_id=call.metadata.uid.replace("-", "")[:16])


def delegated(call: TaskRunToolCall, run: TaskRun | None, child: str, now: datetime) -> Settled:
    """Another agent is at work."""
    text = f'Waiting for the agent\'s run "{child}"'
    return Settled(
        {
            "phase": ToolCallPhase.AWAITING_SUB_AGENT,
            "ready": True,
            "status": ToolCallStatusType.READY,
            "status_detail": text,
            "external_call_id": child,
            "start_time": call.status.start_time or now,
            "span_context": _span(call, run),
        },
        (normal(reasons.SUB_AGENT_STARTED, f"Created TaskRun {child}"),),
    )


def concluded(call: TaskRunToolCall, outcome: Outcome, now: datetime) -> Settled:
    """T5: the end of a call, or its way back to another attempt."""
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
            return unknown(call, message, now)
        case Interrupted():
            return cancelled(call, INTERRUPTED, now)


def _may_try_again(call: TaskRunToolCall) -> bool:
    return call.status.execution is not None and call.status.execution.attempt + 1 < ATTEMPTS_MAX


def _is_repeatable(call: TaskRunToolCall) -> bool:
    return call.status.execution is not None and call.status.execution.semantics == ToolSemantics.IDEMPOTENT


def succeeded(call: TaskRunToolCall, content: str, now: datetime) -> Settled:
    """The tool answered."""
    text = "Tool executed successfully"
    status = _over(ToolCallPhase.SUCCEEDED, ToolCallStatusType.SUCCEEDED, text, now)
    status |= {"ready": True, "result": stored(content), "error": None}
    return Settled(status, (normal(reasons.TOOL_CALL_SUCCEEDED, text),), facts=_facts(call, now))


def failed(call: TaskRunToolCall, message: str, now: datetime, *, is_answer: bool = False) -> Settled:
    """The tool, or the way to it, said no. What it said goes to the model too.

    Args:
        is_answer: The message is the tool's own, of any length: people find it whole in `result`.
    """
    text = "The tool answered with an error" if is_answer else cut(message)
    status = _over(ToolCallPhase.FAILED, ToolCallStatusType.ERROR, text, now)
    status |= {"error": cut(message)} | ({"result": stored(message)} if is_answer else {})
    return Settled(status, (warning(reasons.TOOL_CALL_FAILED, text),), facts=_facts(call, now))


def unknown(call: TaskRunToolCall, message: str, now: datetime) -> Settled:
    """Nobody can say whether the call took effect."""
    text = cut(f"{message}: it may or may not have taken effect")
    status = _over(ToolCallPhase.OUTCOME_UNKNOWN, ToolCallStatusType.ERROR, text, now) | {"error": cut(message)}
    return Settled(status, (warning(reasons.OUTCOME_UNKNOWN, text),), facts=_facts(call, now))


def cancelled(call: TaskRunToolCall, message: str, now: datetime) -> Settled:
    """Nobody waits for the call any more."""
    status = _over(ToolCallPhase.CANCELLED, ToolCallStatusType.ERROR, message, now) | {"error": message}
    return Settled(status, (normal(reasons.CANCELLED, message),), facts=_facts(call, now))


def late(content: str) -> Settled:
    """An answer that came after the call was given up: kept for people, without effect."""
    return Settled({"late_result": stored(content)}, (warning(reasons.LATE_RESULT, "An answer came too late"),))


def _over(phase: ToolCallPhase, status: ToolCallStatusType, detail: str, now: datetime) -> dict[str, Any]:
    return {
        "phase": phase,
        "ready": False,
        "status": status,
        "status_detail": detail,
        "completion_time": now,
    }


def _facts(call: TaskRunToolCall, now: datetime) -> dict[str, Any]:
    execution = call.status.execution
    took = {} if execution is None else {"duration_seconds": round((now - execution.started_at).total_seconds(), 3)}
    return {"tool": call.spec.tool_ref.name} | took


def stored(content: str, limit_bytes: int = RESULT_MAX_BYTES) -> str:
    """A result as it is kept: whole where the object has room for it."""
    encoded = content.encode()
    if len(encoded) <= limit_bytes:
        return content
    head = encoded[:limit_bytes].decode(errors="ignore")
    return f"{head}\n[{len(encoded) - limit_bytes} bytes left out: the result is over the limit]"


def cut(text: str) -> str:
    """`text` in the room that a status has for an error."""
    return text if len(text) <= ERROR_MAX_CHARACTERS else text[: ERROR_MAX_CHARACTERS - 1] + "…"
