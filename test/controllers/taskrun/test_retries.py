"""How long a run tries a model call that fails, and what ends it."""

from __future__ import annotations

from datetime import datetime

import pytest

from kubechain.api.taskrun import LLMClaim, Pinned, TaskRun, TaskRunPhase
from kubechain.api.usage import Usage
from kubechain.controllers.frame import Done, next_version
from kubechain.controllers.retrylimit import retry_for_seconds
from kubechain.controllers.taskrun import settle
from kubechain.controllers.taskrun.claims import claim_for
from kubechain.controllers.taskrun.decide import decide
from kubechain.controllers.taskrun.outcomes import Deferred, Refused
from kubechain.controllers.taskrun.steps import Fail, SendToLLM, Wait
from test.controllers.builders import ME, NOW, a_claim, a_run, later, observed

P = TaskRunPhase
DOWN = Deferred("provider failed: HTTP 503")


def a_failing_run(retry_for: str | None = "90s", **claim: object) -> TaskRun:
    pinned = Pinned(agent_name="my-assistant", llm_name="gpt-4o", retry_for=retry_for)
    llm: LLMClaim = a_claim().with_changes(**claim)
    return a_run(phase=P.SEND_CONTEXT_WINDOW_TO_LLM, llm=llm, pinned=pinned)


def after(run: TaskRun, result: Deferred | Refused, now: datetime = NOW) -> TaskRun:
    return next_version(run, settle.outcome(run, result, jitter=1.0, is_agent_gone=False, now=now))


@pytest.mark.parametrize(
    ("retry_for", "seconds"),
    [(None, 3600), ("90s", 90), ("1h30m", 5400), ("500ms", 0.5), ("0s", 0), ("soon", 3600)],
)
def test_the_limit_is_a_duration_and_one_hour_where_it_is_none(retry_for: str | None, seconds: float) -> None:
    assert retry_for_seconds(Pinned(agent_name="a", llm_name="b", retry_for=retry_for)) == seconds


def test_the_time_counts_from_the_start_of_the_first_call_that_failed() -> None:
    first = after(a_failing_run(), DOWN, later(5)).status.llm
    assert first is not None
    assert first.failing_since == NOW
    again = claim_for(
        a_run(phase=P.ERROR_BACKOFF, llm=first), turn=0, attempt=1, holder=ME, now=later(6), timeout_seconds=9
    )
    assert again.failing_since == NOW


def test_another_turn_counts_anew() -> None:
    run = a_run(phase=P.READY_FOR_LLM, turn=1, llm=a_claim(turn=0).with_changes(failing_since=NOW))
    assert claim_for(run, turn=1, attempt=0, holder=ME, now=NOW, timeout_seconds=9).failing_since is None


def test_the_detail_names_the_next_attempt_and_the_last() -> None:
    status = after(a_failing_run(), DOWN, later(5)).status
    assert status.next_attempt_at == later(6)
    assert status.status_detail == (
        "Model call failed 1 time(s), trying again at 2026-01-01T12:00:06Z, until 2026-01-01T12:01:30Z: "
        "provider failed: HTTP 503"
    )


@pytest.mark.parametrize(
    ("now", "attempt", "wait"),
    [
        pytest.param(later(10), 3, 8, id="the backoff"),
        pytest.param(later(50), 9, 40, id="a backoff that ends at the end of the time"),
    ],
)
def test_the_last_attempt_is_made_at_the_end_of_the_time(now: datetime, attempt: int, wait: float) -> None:
    status = after(a_failing_run(failing_since=NOW, attempt=attempt), DOWN, now).status
    assert status.phase == P.ERROR_BACKOFF
    assert status.next_attempt_at is not None
    assert (status.next_attempt_at - now).total_seconds() == wait


@pytest.mark.parametrize(
    ("result", "now", "error"),
    [
        pytest.param(
            DOWN,
            later(90),
            "provider failed: HTTP 503 (4 attempt(s); limits.retryFor of the Agent allows 90 s)",
            id="the time is over",
        ),
        pytest.param(
            Deferred("rate limited: HTTP 429", 3600.0),
            later(1),
            "rate limited: HTTP 429 (4 attempt(s); the server asks to wait 3600 s, "
            "limits.retryFor of the Agent allows 90 s)",
            id="the server asks for more than is left",
        ),
    ],
)
def test_then_the_run_fails_with_the_last_reason(result: Deferred, now: datetime, error: str) -> None:
    status = after(a_failing_run(failing_since=NOW, attempt=3), result, now).status
    assert (status.phase, status.error, status.status_detail) == (P.FAILED, error, error)


def test_no_time_at_all_means_one_attempt() -> None:
    assert after(a_failing_run("0s"), DOWN).status.phase == P.FAILED


def test_a_failing_run_whose_llm_is_no_longer_ready_waits_no_longer_than_that() -> None:
    run = a_failing_run(failing_since=NOW).with_status(phase=P.ERROR_BACKOFF, error="provider failed: HTTP 503")
    waits = decide(observed(run, llm=None, now=later(30)))
    assert isinstance(waits, Wait)
    assert waits.requeue_after_seconds == 60
    assert decide(observed(run, llm=None, now=later(90))) == Fail(
        "LLMRequestFailed",
        "provider failed: HTTP 503 (1 attempt(s); limits.retryFor of the Agent allows 90 s)",
    )
    assert isinstance(decide(observed(run, now=later(90))), SendToLLM)
    assert decide(observed(run.with_status(next_attempt_at=later(4)))) == Done(4)


@pytest.mark.parametrize(
    "result", [Deferred("x", usage=Usage(model_calls=1)), Refused("r", "x", usage=Usage(model_calls=1))]
)
def test_a_call_that_may_be_billed_counts_whatever_its_end(result: Deferred | Refused) -> None:
    run = a_failing_run().with_status(usage=Usage(input_tokens=3, model_calls=1))
    assert after(run, result).status.usage == Usage(input_tokens=3, output_tokens=0, total_tokens=0, model_calls=2)


@pytest.mark.parametrize(("attempt", "phase"), [(0, P.ERROR_BACKOFF), (1, P.ERROR_BACKOFF), (2, P.FAILED)])
def test_an_llm_may_allow_so_many_repeats(attempt: int, phase: TaskRunPhase) -> None:
    status = after(a_failing_run(attempt=attempt), Deferred("down", max_retries=2)).status
    assert status.phase == phase
    if phase == P.FAILED:
        assert status.error == "down (3 attempt(s); maxRetries of the LLM allows 2 repeat(s))"
