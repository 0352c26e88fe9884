"""Failures of a model call, sorted by their consequence."""

from __future__ import annotations

import pytest

from kubechain.controllers.taskrun.outcomes import Deferred, Refused, outcome_of, wait_seconds
from kubechain.llm import errors


@pytest.mark.parametrize(
    ("error", "invalid_answers", "expected"),
    [
        pytest.param(errors.RateLimited("429", retry_after_seconds=3), 0, Deferred("429", 3), id="429 waits as asked"),
        pytest.param(errors.ServerFailed("503"), 99, Deferred("503"), id="5xx is tried without end"),
        pytest.param(errors.TimedOut("slow"), 0, Deferred("slow"), id="a time-out is tried again"),
        pytest.param(
            errors.InvalidAnswer("empty"),
            3,
            Deferred("empty", is_invalid_answer=True),
            id="an empty answer is tried again",
        ),
        pytest.param(
            errors.InvalidAnswer("empty"),
            4,
            Refused("LLMRequestFailed", "empty (5 times)"),
            id="a fifth empty answer is final",
        ),
        pytest.param(
            errors.AuthenticationFailed("401"),
            0,
            Refused("LLMRequestFailed", "401", invalidates_check=True),
            id="401 is final",
        ),
        pytest.param(
            errors.ModelNotFound("404"),
            0,
            Refused("LLMRequestFailed", "404", invalidates_check=True),
            id="404 is final",
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


@pytest.mark.parametrize(
    ("attempt", "retry_after", "jitter", "seconds"),
    [(0, None, 1.0, 1.0), (0, None, 0.0, 0.5), (3, None, 1.0, 8.0), (50, None, 1.0, 300.0), (0, 7.0, 0.5, 7.0)],
)
def test_the_wait_grows_and_never_undercuts_the_provider(
    attempt: int, retry_after: float | None, jitter: float, seconds: float
) -> None:
    assert wait_seconds(Deferred("x", retry_after), attempt=attempt, jitter=jitter) == seconds
