"""What a run's status, events and log say of the LLMs that are passed over, and of those that answer in their place.

Pure functions, from a step or an outcome to what is written. What must not go here: which LLM is called (`fallbacks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kubechain.api import reasons
from kubechain.api.fallbacks import ANSWERED_BY_LIMIT, AnsweredBy, PassedOver
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import LLMClaim, TaskRun, TaskRunPhase
from kubechain.controllers.frame import Event, Settled, normal, warning
from kubechain.controllers.taskrun import ends, fallbacks
from kubechain.controllers.taskrun.outcomes import Turned
from kubechain.net.foreign import cut


def claimed(run: TaskRun, claim: LLMClaim) -> Settled:
    """What W2 says of the LLMs that are passed over; nothing where none is.

    The event comes once for as long as the same LLM is called for the same reasons.

    Args:
        run: Before the claim.
        claim: On the call that is made.
    """
    if claim.llm_name is None or not claim.passed_over:
        return Settled()
    causes = fallbacks.in_words(claim.passed_over)
    detail = cut(f'Sending context window to LLM "{claim.llm_name}": {causes}', ends.ERROR_MAX_CHARACTERS)
    facts = {"llm": claim.llm_name, "passed_over": [f"{one.llm_name}: {one.reason}" for one in claim.passed_over]}
    is_news = _told(run) != (claim.llm_name, _reasons(claim.passed_over))
    text = cut(f'LLM "{claim.llm_name}" is called: {causes}', ends.ERROR_MAX_CHARACTERS)
    return Settled({"status_detail": detail}, (warning(reasons.FALLBACK_USED, text),) if is_news else (), facts=facts)


def turned(run: TaskRun, result: Turned, now: datetime) -> Settled:
    """W3 of a call that failed, and after which another LLM is called at once."""
    claim, text = run.status.llm, result.cause.text
    status: dict[str, Any] = {
        "phase": TaskRunPhase.ERROR_BACKOFF,
        "ready": False,
        "status": StatusType.ERROR,
        "status_detail": f'Calling LLM "{result.next_llm}": {text}',
        "error": text,
        "next_attempt_at": now,
    }
    if claim is not None:
        status["llm"] = claim.with_changes(
            passed_over=result.left,
            failures=None,
            failing_since=claim.failing_since or claim.started_at,
            invalid_answers=(claim.invalid_answers or 0) + 1 if result.is_invalid_answer else claim.invalid_answers,
        )
    facts = ends.call_facts(run, now) | {"passed_over": result.cause.llm_name, "next_llm": result.next_llm}
    return Settled(status, (warning(reasons.LLM_REQUEST_FAILED, text),), requeue_after_seconds=0.0, facts=facts)


def answered(run: TaskRun, model: str) -> Settled:
    """What W3 says of the LLM that answered; nothing where it is the only one.

    Args:
        run: With the claim.
        model: As the provider names it.
    """
    claim, pinned = run.status.llm, run.status.pinned
    if claim is None or claim.llm_name is None or pinned is None:
        return Settled()
    known, turn = run.status.answered_by, run.status.turn
    new = AnsweredBy(
        llm_name=claim.llm_name,
        model=cut(model, 256),
        first_turn=turn,
        last_turn=turn,
        passed_over=claim.passed_over,
    )
    events: tuple[Event, ...] = ()
    if known and known[-1].llm_name != pinned.llm_name == new.llm_name:
        events = (normal(reasons.FALLBACK_ENDED, reasons.llm_answers_again(new.llm_name)),)
    return Settled({"answered_by": _with(known, new)}, events, facts={"llm": new.llm_name})


def _with(known: Sequence[AnsweredBy], new: AnsweredBy) -> tuple[AnsweredBy, ...]:
    """The record with one turn more."""
    last = known[-1] if known else None
    if last is not None and _key(last) == _key(new):
        return (*known[:-1], last.with_changes(last_turn=new.last_turn))
    return (*known, new)[-ANSWERED_BY_LIMIT:]


def _key(one: AnsweredBy) -> object:
    return (one.llm_name, one.model, _reasons(one.passed_over))


def _told(run: TaskRun) -> tuple[str, Sequence[object]] | None:
    """The LLM that was called last, and why that one, as far as the status says it."""
    if (claim := fallbacks.claim_of_turn(run)) is not None and claim.llm_name is not None:
        return claim.llm_name, _reasons(claim.passed_over)
    last = run.status.answered_by[-1] if run.status.answered_by else None
    return (last.llm_name, _reasons(last.passed_over)) if last is not None else None


def _reasons(passed: Sequence[PassedOver]) -> list[tuple[str, str]]:
    return [(one.llm_name, one.reason) for one in passed]
