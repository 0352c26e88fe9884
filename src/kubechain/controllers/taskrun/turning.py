"""What a failed model call leads to where the run's LLM has fallbacks: another LLM, or another attempt. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from kubechain.api.fallbacks import PassedOver, PassedOverReason
from kubechain.api.taskrun import LLMClaim, TaskRun
from kubechain.controllers.taskrun import fallbacks
from kubechain.controllers.taskrun.fallbacks import Candidate
from kubechain.controllers.taskrun.outcomes import Answered, Deferred, Refusal, Refused, Turned

FAILURES_MAX = 3
"""So many calls of one LLM that failed in a turn, and the next one is called: fewer are a hiccup."""

_REASONS: Mapping[Refusal, PassedOverReason] = MappingProxyType(
    {
        Refusal.KEY: PassedOverReason.KEY_REFUSED,
        Refusal.MODEL: PassedOverReason.MODEL_GONE,
        Refusal.SETTINGS: PassedOverReason.SETTINGS_REFUSED,
        Refusal.NO_CREDIT: PassedOverReason.NO_CREDIT,
    }
)


def after(
    run: TaskRun,
    outcome: Answered | Deferred | Refused,
    candidates: Sequence[Candidate],
    *,
    is_cost_bound: bool,
) -> Answered | Deferred | Refused | Turned:
    """What the outcome of the claimed call leads to.

    A failure of the LLM leads to the next one that can answer. Where none can, the run waits and begins again with its
    own LLM, unless all of them refuse it for good.

    Args:
        run: With the claim.
        outcome: Of the call.
        candidates: The run's LLMs as they are after the call.
        is_cost_bound: Whether a limit of cost binds the run.
    """
    claim = run.status.llm
    if claim is None or claim.llm_name is None or isinstance(outcome, Answered):
        return outcome
    cause = _cause(claim, claim.llm_name, outcome, candidates)
    if cause is None:
        # How often the LLM lets a call be repeated decides when it is left, not when the run fails.
        return replace(outcome, max_retries=None) if isinstance(outcome, Deferred) else outcome
    left = (*fallbacks.left_in_turn(run), cause)
    choice = fallbacks.choose(run, candidates, left, is_cost_bound=is_cost_bound)
    if choice is not None:
        is_invalid = isinstance(outcome, Deferred) and outcome.is_invalid_answer
        return Turned(cause, choice.llm.metadata.name, left, is_invalid_answer=is_invalid, usage=outcome.usage)
    return _nobody(outcome, candidates, left)


def _nobody(
    outcome: Deferred | Refused, candidates: Sequence[Candidate], left: Sequence[PassedOver]
) -> Deferred | Refused:
    """No LLM can answer now."""
    refusing = tuple(one for one in left if one.reason in fallbacks.REFUSES)
    match outcome:
        case Deferred():
            return replace(outcome, left=refusing)
        case Refused(is_too_long=True):
            return outcome  # a shorter request may be taken, by the run's own LLM first; to wait makes it no shorter
        case Refused(message=message, usage=usage) if fallbacks.may_come_back(candidates, left):
            return Deferred(message, usage=usage, left=refusing)
        case Refused():
            others = fallbacks.in_words(one for one in left[:-1])
            return replace(outcome, message=f"{outcome.message}; {others}") if others else outcome


def _cause(
    claim: LLMClaim, name: str, outcome: Deferred | Refused, candidates: Sequence[Candidate]
) -> PassedOver | None:
    """Why the LLM that was called is left; None where it is not."""
    match outcome:
        case Deferred(is_llms_fault=True) if _is_exhausted(claim, outcome) or _is_in_trouble(name, candidates):
            return fallbacks.passed_over(name, PassedOverReason.CALLS_FAIL, outcome.message)
        case Refused(is_too_long=True):
            return fallbacks.passed_over(name, PassedOverReason.CONTEXT_TOO_LONG, outcome.message)
        case Refused(refusal=Refusal() as refusal):
            text = f"{refusal.value}: {outcome.message}"
            return fallbacks.passed_over(name, _REASONS[refusal], text)
        case Deferred() | Refused():
            return None


def _is_exhausted(claim: LLMClaim, outcome: Deferred) -> bool:
    failures = (claim.failures or 0) + 1
    allowed = FAILURES_MAX if outcome.max_retries is None else min(FAILURES_MAX, outcome.max_retries + 1)
    return failures >= allowed


def _is_in_trouble(name: str, candidates: Sequence[Candidate]) -> bool:
    return any(one.name == name and one.trouble is not None for one in candidates)
