"""What a model call can lead to: values, so that settling them is a pure function."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api import reasons
from kubechain.controllers.inflight import Interrupted
from kubechain.llm import errors
from kubechain.llm.client import Completion

INVALID_ANSWERS_MAX = 5
"""A model that gives nothing usable this often in one turn will not do better: the run says so instead of paying on."""

BACKOFF_BASE_SECONDS = 1.0
BACKOFF_MAX_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Answered:
    """The model gave a whole answer."""

    completion: Completion


@dataclass(frozen=True, slots=True)
class Deferred:
    """The call failed in a way that may pass.

    Attributes:
        retry_after_seconds: The least that the provider asked for, if it did.
        is_invalid_answer: Whether the model did answer, with nothing usable.
    """

    message: str
    retry_after_seconds: float | None = None
    is_invalid_answer: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The call failed in a way that only a change can mend.

    Attributes:
        doubts_llm: Whether the LLM's own verdict must be looked at again.
    """

    reason: str
    message: str
    doubts_llm: bool = False


Outcome = Answered | Deferred | Refused | Interrupted


def outcome_of(error: errors.LLMError, *, invalid_answers: int) -> Deferred | Refused:
    """Sort a failure by its consequence.

    Args:
        invalid_answers: How many times in this turn the model has answered with nothing usable before. Attempts that
            failed in another way do not count: a provider that was down for hours may still give a good answer.
    """
    match error:
        case errors.InvalidAnswer() if invalid_answers + 1 >= INVALID_ANSWERS_MAX:
            return Refused(reasons.LLM_REQUEST_FAILED, f"{error} ({invalid_answers + 1} times)")
        case errors.InvalidAnswer():
            return Deferred(str(error), error.retry_after_seconds, is_invalid_answer=True)
        case errors.Retryable():
            return Deferred(str(error), error.retry_after_seconds)
        case errors.AuthenticationFailed() | errors.ModelNotFound() | errors.QuotaExhausted() | errors.InvalidTarget():
            return Refused(reasons.LLM_REQUEST_FAILED, str(error), doubts_llm=True)
        case _:
            return Refused(reasons.LLM_REQUEST_FAILED, str(error))


def wait_seconds(deferred: Deferred, *, attempt: int, jitter: float) -> float:
    """How long to wait before the next attempt: what the provider asks for, at least the backoff.

    Args:
        attempt: How many times the turn's call was started before this one.
        jitter: Between 0 and 1; spreads runs that failed together.
    """
    backoff = min(BACKOFF_BASE_SECONDS * 2.0 ** min(attempt, 16), BACKOFF_MAX_SECONDS)
    return max(deferred.retry_after_seconds or 0.0, backoff * (0.5 + 0.5 * jitter))
