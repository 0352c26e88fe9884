"""What a model call can lead to: values, so that settling them is a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kubechain.api import reasons
from kubechain.api.fallbacks import PassedOver
from kubechain.api.usage import Usage
from kubechain.controllers.inflight import Interrupted
from kubechain.controllers.taskrun.excerpts import NOTHING, Excerpt
from kubechain.llm import errors
from kubechain.llm.client import Completion
from kubechain.net.backoff import EQUAL_JITTER, Backoff

INVALID_ANSWERS_MAX = 5
"""How many answers without usable content end a run: each of them is billed."""

BACKOFF = Backoff(initial_seconds=1.0, max_seconds=300.0, jitter=EQUAL_JITTER)
"""Between attempts of a model call; the jitter spreads runs that failed together."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The model gave a complete answer.

    Attributes:
        earlier: What the request had read of the messages in ContextChunks, so that ids of new tool calls differ.
    """

    completion: Completion
    earlier: Excerpt = NOTHING


@dataclass(frozen=True, slots=True)
class Deferred:
    """The call failed in a way that may pass.

    Attributes:
        retry_after_seconds: The least that the provider asked for, if it did.
        is_invalid_answer: Whether the model answered without usable content.
        usage: What the call may be billed for; None where it is not.
        is_provider_failing: Whether the LLM must be checked again, because the provider failed or is not there.
        is_rate_limited: Whether the provider takes no further calls for now, of whatever run.
        max_retries: How often the LLM allows a call to be repeated; None for no limit.
        is_llms_fault: Whether another LLM might have answered.
        left: Where no LLM of the run can answer now: those that refuse this turn for good. The others are called again.
    """

    message: str
    retry_after_seconds: float | None = None
    is_invalid_answer: bool = False
    usage: Usage | None = None
    is_provider_failing: bool = False
    is_rate_limited: bool = False
    max_retries: int | None = None
    is_llms_fault: bool = True
    left: tuple[PassedOver, ...] | None = None


class Refusal(Enum):
    """Why a provider refuses an LLM, whatever is asked."""

    KEY = "its key is refused"
    MODEL = "its model does not exist"
    SETTINGS = "its settings or its address are wrong"
    NO_CREDIT = "its account has no credit left"


@dataclass(frozen=True, slots=True)
class Refused:
    """The call failed, and will fail again until somebody changes something.

    Attributes:
        refusal: Why the LLM itself is refused, so that it must be checked again; None where only this call is.
        usage: What the call may be billed for; None where it is not.
        is_too_long: Whether a shorter request may be taken.
    """

    reason: str
    message: str
    refusal: Refusal | None = None
    usage: Usage | None = None
    is_too_long: bool = False


@dataclass(frozen=True, slots=True)
class Turned:
    """The call failed, and another LLM of the run is called in its place.

    Attributes:
        cause: The LLM that was called, and why it is left.
        next_llm: The one that is called next, as it looks now.
        left: All that the run called in this turn, and left.
        is_invalid_answer: Whether the model answered without usable content.
        usage: What the call may be billed for; None where it is not.
    """

    cause: PassedOver
    next_llm: str
    left: tuple[PassedOver, ...]
    is_invalid_answer: bool = False
    usage: Usage | None = None


Outcome = Answered | Deferred | Refused | Turned | Interrupted


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
        case errors.RateLimited():
            return Deferred(str(error), error.retry_after_seconds, usage=error.usage, is_rate_limited=True)
        case errors.Retryable():
            return Deferred(str(error), error.retry_after_seconds, usage=error.usage, is_provider_failing=True)
        case errors.QuotaExhausted():
            return Refused(reasons.LLM_REQUEST_FAILED, str(error), Refusal.NO_CREDIT, usage=error.usage)
        case errors.AuthenticationFailed():
            return Refused(reasons.LLM_REQUEST_FAILED, str(error), Refusal.KEY, usage=error.usage)
        case errors.ModelNotFound():
            return Refused(reasons.LLM_REQUEST_FAILED, str(error), Refusal.MODEL, usage=error.usage)
        case errors.WrongAddress() | errors.InvalidTarget():
            return Refused(reasons.LLM_REQUEST_FAILED, str(error), Refusal.SETTINGS, usage=error.usage)
        case errors.ContextTooLong():
            return Refused(reasons.MODEL_WINDOW_EXCEEDED, str(error), usage=error.usage, is_too_long=True)
        case errors.LLMError():
            return Refused(reasons.LLM_REQUEST_FAILED, str(error), usage=error.usage)
