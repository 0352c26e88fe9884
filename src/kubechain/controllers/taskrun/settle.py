"""What a step or an outcome means for a TaskRun's status: pure functions, in the order of a run's life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from kubechain.api import conditions, reasons, traces
from kubechain.api.context import RunContext
from kubechain.api.message import TOOL_CALLS_LIMIT, Message, ToolCall
from kubechain.api.meta import Condition, StatusType, time_text
from kubechain.api.taskrun import LLMClaim, PendingToolCall, TaskRun, TaskRunPhase
from kubechain.api.usage import Usage, total
from kubechain.controllers import plan
from kubechain.controllers.frame import Event, Settled, normal, warning
from kubechain.controllers.taskrun import (
    closing,
    contextsize,
    continuation,
    conversation,
    dayusage,
    ends,
    passing,
    retries,
    shortening,
    turnrecords,
    typed,
)
from kubechain.controllers.taskrun.admission import admit
from kubechain.controllers.taskrun.claims import tool_call_request_id
from kubechain.controllers.taskrun.conversation import CONTEXT_WINDOW_MAX_BYTES, Transcript
from kubechain.controllers.taskrun.decide import too_large
from kubechain.controllers.taskrun.excerpts import NOTHING, Excerpt
from kubechain.controllers.taskrun.outcomes import BACKOFF, Answered, Deferred, Refused, Turned
from kubechain.controllers.taskrun.steps import AnswerToolCalls, Begin, Fail, Wait
from kubechain.llm.client import Completion
from kubechain.net.foreign import cut


def waiting(run: TaskRun, step: Wait) -> Settled:
    """The run waits; its status says for what. A run that has begun stays in its phase."""
    status: dict[str, Any] = {
        "ready": False,
        "status": StatusType.ERROR if step.is_broken else StatusType.PENDING,
        "status_detail": step.detail,
        "blocked_since": step.blocked_since,
        "waiting_for_budget": step.budget,
    }
    if step.budget is not None and run.status.llm is not None:
        # The time for which failed calls are repeated starts anew: the wait is no failure.
        status["llm"] = run.status.llm.with_changes(failing_since=None)
    status |= in_phase(run)
    news = run.status.status_detail != step.detail
    event = warning(reasons.WAITING, step.detail) if step.is_broken else normal(reasons.WAITING, step.detail)
    events = (event,) if news else ()
    return Settled(status, events, requeue_after_seconds=step.requeue_after_seconds)


def in_phase(run: TaskRun) -> dict[str, Any]:
    """The phase of a run that cannot go on: the one that it is in, once it has begun."""
    if run.status.pinned is not None or Transcript.of(run).is_begun:
        return {}
    return {"phase": TaskRunPhase.PENDING, "user_msg_preview": _preview(run)}


def _preview(run: TaskRun) -> str:
    if run.spec.user_message is None:
        return run.status.user_msg_preview
    return Transcript((Message(role="user", content=run.spec.user_message),)).preview


def begun(run: TaskRun, step: Begin, now: datetime) -> Settled:
    """W1: Agent, LLM and tools are pinned, and the conversation has its first messages."""
    status = {
        "phase": TaskRunPhase.READY_FOR_LLM,
        "ready": True,
        "status": StatusType.READY,
        "status_detail": "Ready to send to LLM",
        "pinned": step.pinned,
        "turn": step.turn,
        "user_msg_preview": step.transcript.preview,
        "start_time": run.status.start_time or now,
        "span_context": traces.of_run(run),
        "conditions": ends.progress(run, None, reason="Running", message="The run goes on", now=now),
        "blocked_since": None,
        **step.transcript.status(),
    }
    if step.is_adopted:
        return _adopted(run, step, status)
    validated = normal(reasons.VALIDATION_SUCCEEDED, reasons.TASK_VALIDATED)
    settled = Settled(status, (validated,))
    return settled if step.continued is None else settled.then(continuation.recorded(step.continued))


def _adopted(run: TaskRun, step: Begin, status: dict[str, Any]) -> Settled:
    """W1 of a run that an earlier release began: with the calls that it waits for."""
    if step.pending:
        status |= {
            "phase": TaskRunPhase.TOOL_CALLS_PENDING,
            "status_detail": asked_text(len(step.pending)),
            "pending_turn": step.pending,
            "tool_call_request_id": run.status.tool_call_request_id or tool_call_request_id(run),
        }
    text = f"Begun by an earlier release; goes on after {len(step.transcript.messages)} messages"
    return Settled(status | {"llm": None}, (normal(reasons.ADOPTED, text),))


def claimed(
    run: TaskRun,
    claim: LLMClaim,
    near: Sequence[str] = (),
    *,
    is_closing: bool = False,
    context: RunContext | None = None,
) -> Settled:
    """W2: the claim, together with the unread messages of the spec, so that each of them is read once.

    Args:
        near: Which limits are nearly reached.
        is_closing: Whether the model is asked for its answer.
        context: What is left out of the request from now on; None where that stays as it is.
    """
    transcript = Transcript.of(run).appended(*conversation.unread(run))
    told, events = _near_limits(run, near, claim.started_at)
    if is_closing:
        transcript = closing.asked(transcript)
        told, events = closing.told(run, told or run.status.conditions, events, claim.started_at)
    if context:
        events = (*events, shortening.news(context))
    shortened = f"; {cut(shortening.told(context), ends.ERROR_MAX_CHARACTERS)}" if context else ""
    claimed_status = Settled(
        transcript.status()
        | {
            "messages_read": len(run.spec.messages),
            "phase": TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM,
            "ready": True,
            "status": StatusType.READY,
            "status_detail": f"Sending context window to LLM{shortened}",
            "llm": claim,
            "next_attempt_at": None,
            "blocked_since": None,
            "waiting_for_budget": None,
        }
        | ({"conditions": told} if told else {})
        | ({"context": context} if context else {}),
        events,
    )
    return claimed_status.then(passing.claimed(run, claim))


def _near_limits(run: TaskRun, near: Sequence[str], now: datetime) -> tuple[Sequence[Condition], Sequence[Event]]:
    """The condition that names the limits, and an event for each that it did not name before."""
    if not near:
        return (), ()
    known = run.status.conditions
    before = conditions.find_condition(known, conditions.LIMIT_NEAR)
    told = conditions.with_condition(
        known,
        type=conditions.LIMIT_NEAR,
        status=True,
        reason=reasons.LIMIT_NEAR,
        message="; ".join(near),
        now=now,
        observed_generation=run.metadata.generation,
    )
    fresh = [text for text in near if before is None or text not in before.message]
    return told, [warning(reasons.LIMIT_NEAR, text) for text in fresh]


def outcome(
    run: TaskRun, result: Answered | Deferred | Refused | Turned, *, jitter: float, is_agent_gone: bool, now: datetime
) -> Settled:
    """W3: what the outcome of the claimed model call means for the run.

    Args:
        jitter: Between 0 and 1, for the backoff.
        is_agent_gone: Whether the Agent was deleted meanwhile.
    """
    match result:
        case Answered(completion, earlier):
            settled = answered(run, completion, now, earlier)
            return replace(settled, events=(*_agent_news(run, is_agent_gone), *settled.events))
        case Deferred(usage=usage):
            return with_usage(run, deferred_or_failed(run, result, jitter=jitter, now=now), usage)
        case Turned(usage=usage):
            return with_usage(run, passing.turned(run, result, now), usage)
        case Refused(_, message, usage=usage, is_too_long=True):
            return with_usage(run, shortening.too_long(run, message, now), usage)
        case Refused(reason, message, usage=usage):
            return with_usage(run, ends.failed(run, Fail(reason, message), now), usage)


def with_usage(run: TaskRun, settled: Settled, usage: Usage | None) -> Settled:
    """Count a call that failed and may be billed."""
    if usage is None:
        return settled
    return replace(settled, status={**settled.status, **dayusage.counted(run, usage)})


def _agent_news(run: TaskRun, is_agent_gone: bool) -> tuple[Event, ...]:
    if not is_agent_gone or run.status.pinned is None:
        return ()
    name = run.status.pinned.agent_name
    text = f'Agent "{name}" was deleted; the run goes on with what it pinned when it began'
    return (warning(reasons.AGENT_DELETED, text),)


def answered(run: TaskRun, completion: Completion, now: datetime, earlier: Excerpt = NOTHING) -> Settled:
    """W3: the assistant's message is appended, and the run ends or waits for the tool calls that it asks for.

    Args:
        earlier: What the request had read of the messages in ContextChunks.
    """
    completion = admit(completion, Transcript.of(run), earlier, turn=run.status.turn)
    message, calls = completion.message, completion.message.tool_calls
    transcript = Transcript.of(run).appended(message)
    used: dict[str, Any] = dayusage.counted(run, completion.usage) | turnrecords.recorded(run, completion.usage, now)
    if context := contextsize.counted(run, completion.usage):
        used["context"] = context
    excess = _too_large(transcript, calls)
    if calls and (excess or closing.has_begun(run)):
        return _closed(run, used, excess or Fail(reasons.CONTEXT_WINDOW_TOO_LARGE, closing.NO_ANSWER), now)
    if len(calls) > TOOL_CALLS_LIMIT:
        text = f"the model asked for {len(calls)} tool calls at once, the limit is {TOOL_CALLS_LIMIT}"
        excess = Fail(reasons.LIMIT_EXCEEDED, text)
    if excess:
        settled = ends.failed(run, excess, now)
        return replace(settled, status=used | settled.status)
    recorded = transcript.status() | used | {"blocked_since": None, "llm": None, "error": None}
    if calls:
        settled = _asked_for_tools(run, calls, recorded)
    elif conversation.unread(run):
        settled = _interjected(run, recorded)
    else:
        settled = typed.ended(run, completion, recorded, transcript=transcript, now=now)
    settled = replace(settled, facts=ends.call_facts(run, now) | {"llm_model": completion.model})
    return passing.answered(run, completion.model).then(settled)


def _too_large(transcript: Transcript, calls: Sequence[ToolCall]) -> Fail | None:
    """Why an answer cannot be stored. Calls are stored twice: in the message, and as those that wait for results."""
    calls_bytes = sum(len(call.function.to_json()) for call in calls)
    if too_large(transcript) or not calls or transcript.size_bytes + calls_bytes <= CONTEXT_WINDOW_MAX_BYTES:
        return too_large(transcript)
    text = f"the model wrote {calls_bytes} bytes of arguments at once, more than the run has room for"
    return Fail(reasons.CONTEXT_WINDOW_TOO_LARGE, text)


def _closed(run: TaskRun, used: dict[str, Any], excess: Fail, now: datetime) -> Settled:
    """The model asks for calls that do not fit: it is asked for its answer instead, once."""
    recorded = used | {"llm": None, "error": None}
    if closing.has_begun(run):
        settled = ends.failed(run, excess, now)
        return replace(settled, status=recorded | settled.status)
    told, events = closing.told(run, run.status.conditions, (), now)
    settled = _interjected(run, recorded | {"conditions": told})
    return replace(settled, events=events)


def _interjected(run: TaskRun, recorded: dict[str, Any]) -> Settled:
    """Messages were added to the spec while the model was answering: another turn reads them before the run ends."""
    status = recorded | {
        "phase": TaskRunPhase.READY_FOR_LLM,
        "ready": True,
        "status": StatusType.READY,
        "status_detail": "Ready to send to LLM",
        "turn": run.status.turn + 1,
    }
    return Settled(status)


def _asked_for_tools(run: TaskRun, calls: Sequence[ToolCall], recorded: dict[str, Any]) -> Settled:
    text = asked_text(len(calls))
    status = recorded | {
        "phase": TaskRunPhase.TOOL_CALLS_PENDING,
        "ready": True,
        "status": StatusType.READY,
        "status_detail": text,
        "pending_turn": tuple(_pending(idx, call) for idx, call in enumerate(calls)),
        "tool_call_request_id": tool_call_request_id(run),
    }
    if (steps := plan.newest(run.status.pinned.tools if run.status.pinned else (), calls)) is not None:
        status["plan"] = steps
    return Settled(status, (normal(reasons.TOOL_CALLS_PENDING, text),))


def asked_text(count: int) -> str:
    """The detail of a run that waits for tool calls."""
    return f"LLM asked for {count} tool call(s)"


def _pending(idx: int, call: ToolCall) -> PendingToolCall:
    return PendingToolCall(
        idx=idx,
        tool_call_id=call.id,
        name=call.function.name,
        arguments=call.function.arguments,
        args_sha=conversation.args_sha(call.function.name, call.function.arguments),
    )


def tools_answered(run: TaskRun, step: AnswerToolCalls) -> Settled:
    """W5: the results of all tool calls are appended at once, and the next turn begins."""
    news: dict[str, Any] = {}
    if step.spent is not None:
        news["sub_agent_usage"] = total([part for part in (run.status.sub_agent_usage, step.spent) if part])
    if context := contextsize.grown(run, step.messages):
        news["context"] = context
    if step.grants:
        news["grants"] = (*run.status.grants, *step.grants)
    return Settled(
        Transcript.of(run).appended(*step.messages).status()
        | news
        | {
            "phase": TaskRunPhase.READY_FOR_LLM,
            "ready": True,
            "status": StatusType.READY,
            "status_detail": "Ready to send to LLM",
            "pending_turn": (),
            "tool_call_request_id": None,
            "blocked_since": None,
            "tool_call_count": run.status.tool_call_count + len(step.messages),
            "turn": run.status.turn + 1,
        }
    )


def deferred_or_failed(run: TaskRun, result: Deferred, *, jitter: float, now: datetime) -> Settled:
    """Another attempt, or the end of a run that has tried for as long as `retryFor` allows."""
    claim = run.status.llm
    if claim is None:
        return deferred(run, result, wait_seconds=BACKOFF.seconds(0, jitter), now=now)
    if result.max_retries is not None and claim.attempt >= result.max_retries:
        text = retries.repeated_enough(run, result.message, result.max_retries)
        return ends.failed(run, Fail(reasons.LLM_REQUEST_FAILED, text), now)
    failing = claim if claim.failing_since else claim.with_changes(failing_since=claim.started_at)
    run = run.with_status(llm=failing)
    ends_at, asked = retries.ends_at(run), result.retry_after_seconds
    assert ends_at is not None, "set above"
    wait = retries.next_wait_seconds(
        (ends_at - now).total_seconds(),
        backoff_seconds=BACKOFF.seconds(_repeats(claim, result), jitter),
        retry_after_seconds=asked,
    )
    if wait is not None:
        return deferred(run, result, wait_seconds=wait, now=now)
    too_long = asked if now < ends_at else None
    text = retries.given_up(run, result.message, retry_after_seconds=too_long)
    return ends.failed(run, Fail(reasons.LLM_REQUEST_FAILED, text), now)


def _repeats(claim: LLMClaim, result: Deferred) -> int:
    """How many calls in a row failed before: of this LLM, where another one is called after a few."""
    is_one_of_many = claim.llm_name is not None and result.left is None
    return claim.failures or 0 if is_one_of_many else claim.attempt


def deferred(run: TaskRun, result: Deferred, *, wait_seconds: float, now: datetime) -> Settled:
    """The model call failed in a way that may pass: the run keeps its conversation and retries."""
    claim = run.status.llm
    attempt = claim.attempt + 1 if claim else 1
    text = cut(result.message, ends.ERROR_MAX_CHARACTERS)
    next_at = now + timedelta(seconds=wait_seconds)
    status: dict[str, Any] = {
        "phase": TaskRunPhase.ERROR_BACKOFF,
        "ready": False,
        "status": StatusType.ERROR,
        "status_detail": f"Model call failed {attempt} time(s), trying again {_when(run, next_at)}: {text}",
        "error": text,
        "next_attempt_at": next_at,
    }
    if claim is not None:
        invalid_answers = (claim.invalid_answers or 0) + 1 if result.is_invalid_answer else claim.invalid_answers
        status["llm"] = claim.with_changes(invalid_answers=invalid_answers, **_of_llm(claim, result))
    events = (warning(reasons.LLM_REQUEST_FAILED, text),) if run.status.error != text else ()
    return Settled(status, events, requeue_after_seconds=wait_seconds, facts=ends.call_facts(run, now))


def _of_llm(claim: LLMClaim, result: Deferred) -> dict[str, Any]:
    """What the claim says of the LLM that failed, where it is one of several."""
    if claim.llm_name is None:
        return {}
    if result.left is not None:
        return {"failures": None, "passed_over": result.left}
    return {"failures": (claim.failures or 0) + 1} if result.is_llms_fault else {}


def _when(run: TaskRun, next_at: datetime) -> str:
    """The next attempt, and until when there are further ones."""
    ends_at = retries.ends_at(run)
    end = f", until {time_text(ends_at)}" if ends_at else ""
    return f"at {time_text(next_at)}{end}"
