"""What a model call can lead to: values, so that settling them is a pure function."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api import reasons
from kubechain.api.taskrun import Usage
from kubechain.controllers.inflight import Interrupted
from kubechain.llm import errors
from kubechain.llm.client import Completion
from kubechain.net.backoff import EQUAL_JITTER, Backoff

INVALID_ANSWERS_MAX = 5
"""How many answers without usable content end a run: each of them is billed."""

BACKOFF = Backoff(initial_seconds=1.0, max_seconds=300.0, jitter=EQUAL_JITTER)
"""Between attempts of a model call; the jitter spreads runs that failed together."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The model gave a complete answer."""

    completion: Completion


@dataclass(frozen=True, slots=True)
class Deferred:
    """The call failed in a way that may pass.

    Attributes:
        retry_after_seconds: The least that the provider asked for, if it did.
        is_invalid_answer: Whether the model answered without usable content.
        usage: What the call may be billed for; None where it is not.
    """

    message: str
    retry_after_seconds: float | None = None
    is_invalid_answer: bool = False
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The call failed, and will fail again until somebody changes something.

    Attributes:
        invalidates_check: Whether the LLM must be checked again.
        usage: What the call may be billed for; None where it is not.
    """

    reason: str
    message: str
    invalidates_check: bool = False
    usage: Usage | None = None


Outcome = Answered | Deferred | Refused | Interrupted


def outcome_of(error: errors.LLMError, *, invalid_answers: int) -> Deferred | Refused:
    """Sort a failure by its consequence.

    Args:
        invalid_answers: How many answers without usable content came before in this turn. Attempts that failed in
            another way do not count: a provider that was down for hours may still give a good answer.
    """
    match error:
        case errors.InvalidAnswer() if invalid_answers + 1 >= INVALID_ANSWERS_MAX:
            text = f"{error} ({invalid_answers + 1} times)"
            return Refused(reasons.LLM_REQUEST_FAILED, text, usage=error.usage)
        case errors.InvalidAnswer():
            return Deferred(str(error), error.retry_after_seconds, is_invalid_answer=True, usage=error.usage)
        case errors.Retryable():
            return Deferred(str(error), error.retry_after_seconds, usage=error.usage)
        case (
            errors.AuthenticationFailed()
            | errors.ModelNotFound()
            | errors.WrongAddress()
            | errors.QuotaExhausted()
            | errors.InvalidTarget()
        ):
            return Refused(reasons.LLM_REQUEST_FAILED, str(error), invalidates_check=True, usage=error.usage)
        case errors.LLMError():
            return Refused(reasons.LLM_REQUEST_FAILED, str(error), usage=error.usage)
