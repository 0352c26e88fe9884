"""Failures of a model call, sorted by their consequence."""

from __future__ import annotations

import pytest

from kubechain.api.usage import Usage
from kubechain.controllers.taskrun.outcomes import Deferred, Refusal, Refused, outcome_of
from kubechain.llm import errors

ONE_CALL = Usage(model_calls=1)


@pytest.mark.parametrize(
    ("error", "invalid_answers", "expected"),
    [
        pytest.param(
            errors.RateLimited("429", retry_after_seconds=3),
            0,
            Deferred("429", 3, is_rate_limited=True),
            id="429 waits as asked",
        ),
        pytest.param(
            errors.ServerFailed("503"),
            99,
            Deferred("503", usage=ONE_CALL, is_provider_failing=True),
            id="5xx is tried again",
        ),
        pytest.param(
            errors.TimedOut("slow"),
            0,
            Deferred("slow", usage=ONE_CALL, is_provider_failing=True),
            id="a time-out is tried again",
        ),
        pytest.param(
            errors.InvalidAnswer("empty"),
            3,
            Deferred("empty", is_invalid_answer=True, usage=ONE_CALL),
            id="an empty answer is tried again",
        ),
        pytest.param(
            errors.InvalidAnswer("empty"),
            4,
            Refused("LLMRequestFailed", "empty (5 times)", usage=ONE_CALL),
            id="a fifth empty answer is final",
        ),
        pytest.param(
            errors.AuthenticationFailed("401"),
            0,
            Refused("LLMRequestFailed", "401", Refusal.KEY),
            id="401 is final",
        ),
        pytest.param(
            errors.ModelNotFound("404"),
            0,
            Refused("LLMRequestFailed", "404", Refusal.MODEL),
            id="404 is final",
        ),
        pytest.param(
            errors.QuotaExhausted("402"),
            0,
            Refused("LLMRequestFailed", "402", Refusal.NO_CREDIT),
            id="no credit is final",
        ),
        pytest.param(
            errors.RequestRefused("400"), 0, Refused("LLMRequestFailed", "400"), id="400 says nothing of the LLM"
        ),
    ],
)
def test_failures_are_sorted_by_their_consequence(
    error: errors.LLMError, invalid_answers: int, expected: Deferred | Refused
) -> None:
    assert outcome_of(error, invalid_answers=invalid_answers) == expected
