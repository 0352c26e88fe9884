"""The ends of a run, and the conditions that tell how far it is: pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api import conditions, reasons
from kubechain.api.meta import Condition, StatusType
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers.frame import Event, Settled, normal, warning
from kubechain.controllers.taskrun import conversation, limitstops
from kubechain.controllers.taskrun.steps import Fail
from kubechain.llm.client import Completion, Cut
from kubechain.net.foreign import cut, harmless

ERROR_MAX_CHARACTERS = 1_024
"""Limit of `error` and `statusDetail`."""


def answered(run: TaskRun, completion: Completion, recorded: dict[str, Any], now: datetime) -> Settled:
    """The model gave its final answer.

    Args:
        recorded: What is recorded of every answer.
    """
    cut_text = completion.cut
    text = reasons.final_response_cut(cut_text.message) if cut_text else reasons.LLM_FINAL_RESPONSE_DETAIL
    known = progress(run, True, reason=reasons.LLM_FINAL_ANSWER, message=text, now=now)
    status = recorded | {
        "phase": TaskRunPhase.FINAL_ANSWER,
        "ready": True,
        "status": StatusType.READY,
        "status_detail": text,
        "output": conversation.output_of(completion.message),
        "turn": run.status.turn + 1,
        "completion_time": now,
        "conditions": _truncated(run, known, cut_text, now) if cut_text else known,
    }
    events = (normal(reasons.LLM_FINAL_ANSWER, reasons.LLM_RESPONSE_RECEIVED),)
    return Settled(status, (*events, warning(reasons.TRUNCATED, text)) if cut_text else events)


def _truncated(run: TaskRun, known: tuple[Condition, ...], cut_text: Cut, now: datetime) -> tuple[Condition, ...]:
    """The conditions with the one that says that the final answer is not whole."""
    return conditions.with_condition(
        known,
        type=conditions.TRUNCATED,
        status=True,
        reason=cut_text.reason,
        message=cut_text.message,
        now=now,
        observed_generation=run.metadata.generation,
    )


def failed(run: TaskRun, step: Fail, now: datetime) -> Settled:
    """The run is over without an answer; the conversation stays."""
    text = cut(harmless(step.message), ERROR_MAX_CHARACTERS)
    status: dict[str, Any] = {
        "phase": TaskRunPhase.FAILED,
        "ready": False,
        "status": StatusType.ERROR,
        "status_detail": text,
        "error": text,
        "llm": None,
        "next_attempt_at": None,
        "blocked_since": None,
        "waiting_for_budget": None,
        "completion_time": now,
        "conditions": progress(run, False, reason=step.reason, message=text, now=now),
    }
    if step.asked is not None:
        status["budget_requests"] = limitstops.with_request(run, step.asked)
    return Settled(status, (*_unread_news(run), warning(step.reason, text)), facts=call_facts(run, now))


def _unread_news(run: TaskRun) -> tuple[Event, ...]:
    count = len(conversation.unread(run))
    return (warning(reasons.MESSAGES_NOT_READ, reasons.messages_not_read(count)),) if count else ()


def cancelled(run: TaskRun, now: datetime) -> Settled:
    """The run was cancelled by its spec."""
    text = "Cancelled by spec.cancel"
    status = {
        "phase": TaskRunPhase.CANCELLED,
        "ready": False,
        "status": StatusType.ERROR,
        "status_detail": text,
        "llm": None,
        "next_attempt_at": None,
        "blocked_since": None,
        "waiting_for_budget": None,
        "completion_time": now,
        "conditions": progress(run, False, reason=reasons.CANCELLED, message=text, now=now),
    }
    return Settled(status, (*_unread_news(run), normal(reasons.CANCELLED, text)))


def confirmed(run: TaskRun) -> Settled:
    """The status of a finished run as one of its spec as it is now."""
    generation = run.metadata.generation
    known = conditions.confirmed(run.status.conditions, generation)
    return Settled({"conditions": known, "observed_generation": generation})


def progress(
    run: TaskRun, is_success: bool | None, *, reason: str, message: str, now: datetime
) -> tuple[Condition, ...]:
    """The conditions that tell whether the run is over, and whether it has its answer.

    Args:
        is_success: None while the run goes on.
    """
    known = conditions.with_conditions(
        run.status.conditions,
        (
            (conditions.SUCCEEDED, is_success, reason, message),
            (conditions.FINISHED, is_success is not None, reason, message),
        ),
        observed_generation=run.metadata.generation,
        now=now,
    )
    return conditions.confirmed(known, run.metadata.generation)


def call_facts(run: TaskRun, now: datetime) -> dict[str, Any]:
    """LLM, attempt and duration of the model call, for the log."""
    claim = run.status.llm
    if claim is None:
        return {}
    own = run.status.pinned.llm_name if run.status.pinned is not None else None
    return {
        "llm": claim.llm_name or own,
        "attempt": claim.attempt,
        "duration_seconds": round((now - claim.started_at).total_seconds(), 3),
    }
