"""What a step or an outcome means for a TaskRun's status: pure functions, in the order of a run's life."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from kubechain.api import conditions, reasons
from kubechain.api.message import TOOL_CALLS_LIMIT, Message, ToolCall
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import LLMClaim, PendingToolCall, SpanContext, TaskRun, TaskRunPhase, Usage
from kubechain.controllers.frame import Event, Settled, normal, warning
from kubechain.controllers.taskrun import conversation
from kubechain.controllers.taskrun.decide import too_large
from kubechain.controllers.taskrun.outcomes import Deferred
from kubechain.controllers.taskrun.steps import AnswerToolCalls, Begin, Fail, Wait
from kubechain.llm.client import Completion

SUCCEEDED = "Succeeded"
"""Condition of a finished run, for `kubectl wait --for=condition=Succeeded`."""

ERROR_MAX_CHARACTERS = 1_024
"""Room for what happened and where; whole provider replies belong in nobody's status."""


def waiting(run: TaskRun, step: Wait) -> Settled:
    """The run says what it waits for; a run that has begun stays in its phase."""
    status: dict[str, Any] = {"ready": False, "status": StatusType.PENDING, "status_detail": step.detail}
    if run.status.pinned is None:
        status |= {"phase": TaskRunPhase.PENDING, "user_msg_preview": _preview(run)}
    news = run.status.status_detail != step.detail
    return Settled(status, (normal(reasons.WAITING, step.detail),) if news else ())


def _preview(run: TaskRun) -> str:
    if run.spec.user_message is None:
        return run.status.user_msg_preview
    return conversation.preview((Message(role="user", content=run.spec.user_message),))


def begun(run: TaskRun, step: Begin, now: datetime) -> Settled:
    """W1."""
    status = {
        "phase": TaskRunPhase.READY_FOR_LLM,
        "ready": True,
        "status": StatusType.READY,
        "status_detail": "Ready to send to LLM",
        "pinned": step.pinned,
        "turn": 0,
        "context_window": step.context_window,
        "message_count": len(step.context_window),
        "user_msg_preview": conversation.preview(step.context_window),
        "start_time": now,
        "span_context": _trace(run),
    }
    return Settled(status, (normal(reasons.VALIDATION_SUCCEEDED, reasons.TASK_VALIDATED),))


def _trace(run: TaskRun) -> SpanContext:
    """One trace for each run, the same however often it is computed."""
    root = uuid.uuid5(uuid.UUID(run.metadata.uid), "trace")
    return SpanContext(trace_id=root.hex, span_id=root.hex[:16])


def claimed(run: TaskRun, claim: LLMClaim) -> Settled:
    """W2: the claim, together with what people told the agent meanwhile, so that each message is read once."""
    window = (*run.status.context_window, *conversation.unread(run))
    return Settled(
        {
            "context_window": window,
            "message_count": len(window),
            "messages_read": len(run.spec.messages),
            "phase": TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM,
            "ready": True,
            "status": StatusType.READY,
            "status_detail": "Sending context window to LLM",
            "llm": claim,
            "next_attempt_at": None,
        }
    )


def answered(run: TaskRun, completion: Completion, now: datetime) -> Settled:
    """W3: the assistant's message, and either the end of the run or the tool calls that it asks for."""
    calls = _with_unique_ids(run.status.turn, completion.message.tool_calls)
    message = completion.message.with_changes(tool_calls=calls) if calls else completion.message
    window = (*run.status.context_window, message)
    if excess := too_large(run, window):
        return failed(run, excess, now)
    recorded = {
        "context_window": window,
        "message_count": len(window),
        "usage": add_usage(run.status.usage, completion.usage),
        "llm": None,
        "error": None,
    }
    if len(calls) > TOOL_CALLS_LIMIT:
        text = f"the model asked for {len(calls)} tool calls at once, the limit is {TOOL_CALLS_LIMIT}"
        return failed(run, Fail(reasons.LIMIT_EXCEEDED, text), now)
    if calls:
        settled = _asked_for_tools(run, calls, recorded)
    elif conversation.unread(run):
        settled = _interjected(run, recorded)
    else:
        settled = _final(run, message, recorded, now)
    return replace(settled, facts=_call_facts(run, now) | {"llm_model": completion.model})


def _call_facts(run: TaskRun, now: datetime) -> dict[str, Any]:
    """How long the model call took, and which attempt it was: what people look for first in a slow run's log."""
    claim = run.status.llm
    if claim is None:
        return {}
    return {"attempt": claim.attempt, "duration_seconds": round((now - claim.started_at).total_seconds(), 3)}


def _final(run: TaskRun, message: Message, recorded: dict[str, Any], now: datetime) -> Settled:
    text = reasons.LLM_FINAL_RESPONSE_DETAIL
    status = recorded | {
        "phase": TaskRunPhase.FINAL_ANSWER,
        "ready": True,
        "status": StatusType.READY,
        "status_detail": text,
        "output": conversation.output_of(message),
        "turn": run.status.turn + 1,
        "completion_time": now,
        "conditions": _finished(run, is_success=True, reason=reasons.LLM_FINAL_ANSWER, message=text, now=now),
    }
    return Settled(status, (normal(reasons.LLM_FINAL_ANSWER, reasons.LLM_RESPONSE_RECEIVED),))


def _interjected(run: TaskRun, recorded: dict[str, Any]) -> Settled:
    """Somebody spoke while the model was answering: the agent hears that before it is done."""
    status = recorded | {
        "phase": TaskRunPhase.READY_FOR_LLM,
        "ready": True,
        "status": StatusType.READY,
        "status_detail": "Ready to send to LLM",
        "turn": run.status.turn + 1,
    }
    return Settled(status)


def _asked_for_tools(run: TaskRun, calls: Sequence[ToolCall], recorded: dict[str, Any]) -> Settled:
    text = f"LLM asked for {len(calls)} tool call(s)"
    status = recorded | {
        "phase": TaskRunPhase.TOOL_CALLS_PENDING,
        "ready": True,
        "status": StatusType.READY,
        "status_detail": text,
        "pending_turn": tuple(_pending(idx, call) for idx, call in enumerate(calls)),
    }
    return Settled(status, (normal(reasons.TOOL_CALLS_PENDING, text),))


def _pending(idx: int, call: ToolCall) -> PendingToolCall:
    return PendingToolCall(
        idx=idx,
        tool_call_id=call.id,
        name=call.function.name,
        arguments=call.function.arguments,
        args_sha=conversation.args_sha(call.function.name, call.function.arguments),
    )


def _with_unique_ids(turn: int, calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
    """Every answer must find its call: missing and doubled ids are replaced by ones of our own."""
    seen: set[str] = set()
    unique: list[ToolCall] = []
    for idx, call in enumerate(calls):
        unique.append(call.with_changes(id=f"t{turn}c{idx}") if not call.id or call.id in seen else call)
        seen.add(unique[-1].id)
    return tuple(unique)


def add_usage(before: Usage | None, more: Usage) -> Usage:
    """What the run has cost so far."""
    if before is None:
        return more
    return Usage(
        input_tokens=before.input_tokens + more.input_tokens,
        output_tokens=before.output_tokens + more.output_tokens,
        total_tokens=before.total_tokens + more.total_tokens,
        model_calls=before.model_calls + more.model_calls,
    )


def tools_answered(run: TaskRun, step: AnswerToolCalls) -> Settled:
    """W5: all answers of the turn at once, and on to the next turn."""
    window = (*run.status.context_window, *step.messages)
    plan = {} if step.plan is None else {"plan": step.plan}
    return Settled(
        plan
        | {
            "phase": TaskRunPhase.READY_FOR_LLM,
            "ready": True,
            "status": StatusType.READY,
            "status_detail": "Ready to send to LLM",
            "context_window": window,
            "message_count": len(window),
            "pending_turn": (),
            "turn": run.status.turn + 1,
        }
    )


def deferred(run: TaskRun, outcome: Deferred, *, wait_seconds: float, now: datetime) -> Settled:
    """The model call failed in a way that may pass: the run keeps its conversation and tries again."""
    claim = run.status.llm
    attempt = claim.attempt + 1 if claim else 1
    text = cut(outcome.message)
    status: dict[str, Any] = {
        "phase": TaskRunPhase.ERROR_BACKOFF,
        "ready": False,
        "status": StatusType.ERROR,
        "status_detail": f"Model call failed {attempt} time(s), trying again: {text}",
        "error": text,
        "next_attempt_at": now + timedelta(seconds=wait_seconds),
    }
    if claim is not None and outcome.is_invalid_answer:
        status["llm"] = claim.with_changes(invalid_answers=(claim.invalid_answers or 0) + 1)
    events = (warning(reasons.LLM_REQUEST_FAILED, text),) if run.status.error != text else ()
    return Settled(status, events, requeue_after_seconds=wait_seconds, facts=_call_facts(run, now))


def failed(run: TaskRun, step: Fail, now: datetime) -> Settled:
    """The run is over without an answer; everything said so far stays."""
    text = cut(step.message)
    status = {
        "phase": TaskRunPhase.FAILED,
        "ready": False,
        "status": StatusType.ERROR,
        "status_detail": text,
        "error": text,
        "llm": None,
        "next_attempt_at": None,
        "completion_time": now,
        "conditions": _finished(run, is_success=False, reason=step.reason, message=text, now=now),
    }
    return Settled(status, (warning(step.reason, text),), facts=_call_facts(run, now))


def cancelled(run: TaskRun, now: datetime) -> Settled:
    """A person stopped the run."""
    text = "Cancelled by spec.cancel"
    status = {
        "phase": TaskRunPhase.CANCELLED,
        "ready": False,
        "status": StatusType.ERROR,
        "status_detail": text,
        "llm": None,
        "next_attempt_at": None,
        "completion_time": now,
        "conditions": _finished(run, is_success=False, reason=reasons.CANCELLED, message=text, now=now),
    }
    return Settled(status, (normal(reasons.CANCELLED, text),))


def cut(text: str) -> str:
    """`text` in the room that a status has for an error."""
    return text if len(text) <= ERROR_MAX_CHARACTERS else text[: ERROR_MAX_CHARACTERS - 1] + "…"


def _finished(run: TaskRun, *, is_success: bool, reason: str, message: str, now: datetime) -> Any:
    return conditions.with_condition(
        run.status.conditions,
        type=SUCCEEDED,
        status=is_success,
        reason=reason,
        message=message,
        now=now,
        observed_generation=run.metadata.generation,
    )


def agent_gone(name: str) -> Event:
    """A person should know that a run goes on without the Agent that it was started with."""
    return warning(
        reasons.AGENT_DELETED, f'Agent "{name}" was deleted; the run goes on with what it pinned when it began'
    )
