"""What a verdict makes of an LLM's status, and when the next one is due."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.conditions import find_condition, is_true
from kubechain.api.llm import LLMParameters, OpenAIConfig
from kubechain.api.meta import StatusType
from kubechain.controllers.checks import Report
from kubechain.controllers.frame import next_version
from kubechain.controllers.llm.outcomes import Outcome, Rejected, Unknown, Unverified, Verified, with_report
from kubechain.controllers.llm.settle import PARAMETERS_IGNORED, RECHECK, circuit, refused, settle
from test.controllers.builders import NOW, an_llm

LLM = an_llm(status=None)


def test_a_good_key_makes_the_llm_ready_with_the_words_of_the_contract() -> None:
    settled = settle(LLM, Verified(), attempt=1, now=NOW)
    status = next_version(LLM, settled).status
    assert (status.ready, status.status) == (True, "Ready")
    assert status.status_detail == "OpenAI API key validated successfully"
    assert [(event.type, event.reason, event.message) for event in settled.events] == [
        ("Normal", "ValidationSucceeded", "OpenAI API key validated successfully")
    ]
    assert settled.requeue_after_seconds is None


@pytest.mark.parametrize("api_type", ["AZURE", "AZURE_AD"])
def test_a_key_of_azure_is_not_called_one_of_openai(api_type: Any) -> None:
    llm = an_llm(status=None, openai=OpenAIConfig(api_type=api_type))
    status = next_version(llm, settle(llm, Verified(), attempt=1, now=NOW)).status
    assert status.status_detail == "Azure OpenAI API key validated successfully"


def test_a_second_good_verdict_writes_nothing() -> None:
    ready = next_version(LLM, settle(LLM, Verified(), attempt=1, now=NOW))
    again = settle(ready, Verified(), attempt=1, now=NOW)
    assert next_version(ready, again) is ready
    assert again.events == ()


def test_a_refused_key_is_an_error_that_is_looked_at_again_slowly() -> None:
    settled = settle(LLM, Rejected("openai: 401: invalid key"), attempt=1, now=NOW)
    status = next_version(LLM, settled).status
    assert (status.ready, status.status, status.status_detail) == (False, "Error", "openai: 401: invalid key")
    assert [event.reason for event in settled.events] == ["ValidationFailed"]
    assert settled.requeue_after_seconds == 600


def test_no_verdict_keeps_the_last_one() -> None:
    ready = next_version(LLM, settle(LLM, Verified(), attempt=1, now=NOW))
    settled = settle(ready, Unknown("openai: 503", None), attempt=1, now=NOW)
    assert next_version(ready, settled) is ready
    assert settled.requeue_after_seconds == 5


def test_no_verdict_about_an_edited_spec_is_not_the_old_one() -> None:
    ready = next_version(LLM, settle(LLM, Verified(), attempt=1, now=NOW))
    edited = ready.model_copy(update={"metadata": ready.metadata.with_changes(generation=2)})
    assert next_version(edited, settle(edited, Unknown("down", None), attempt=1, now=NOW)).status.status == "Pending"


def test_a_provider_that_is_down_for_hours_costs_one_write_and_one_event() -> None:
    first = settle(LLM, Unknown("connection refused", None), attempt=1, now=NOW)
    waiting = next_version(LLM, first)
    assert waiting.status.status == StatusType.PENDING
    assert waiting.status.status_detail == "Waiting for the provider: connection refused"
    second = settle(waiting, Unknown("connection refused", None), attempt=2, now=NOW)
    assert next_version(waiting, second) is waiting
    assert (first.requeue_after_seconds, second.requeue_after_seconds) == (5, 10)


def test_the_provider_may_ask_for_more_patience_than_the_backoff() -> None:
    assert settle(LLM, Unknown("429", 60), attempt=1, now=NOW).requeue_after_seconds == 60
    assert settle(LLM, Unknown("429", 1), attempt=1, now=NOW).requeue_after_seconds == 5


def test_the_backoff_ends_at_one_minute() -> None:
    assert [RECHECK.seconds(attempt - 1) for attempt in (1, 2, 3, 7, 30)] == [5, 10, 20, 60, 60]


def test_a_provider_that_fails_three_checks_in_a_row_ends_a_readiness() -> None:
    ready = next_version(LLM, settle(LLM, Verified(), attempt=1, now=NOW))
    assert next_version(ready, settle(ready, Unknown("down", None), attempt=2, now=NOW)) is ready
    status = next_version(ready, settle(ready, Unknown("down", None), attempt=3, now=NOW)).status
    assert (status.ready, status.status, status.status_detail) == (False, "Pending", "Waiting for the provider: down")
    busy = settle(ready, Unknown("429", None, is_busy=True), attempt=3, now=NOW)
    assert next_version(ready, busy) is ready


def test_a_server_that_proves_nothing_is_ready_and_says_so() -> None:
    settled = settle(LLM, Unverified("the list is empty"), attempt=1, now=NOW)
    unverified = next_version(LLM, settled)
    assert (unverified.status.status, unverified.status.status_detail) == ("Ready", "the list is empty")
    assert [event.reason for event in settled.events] == ["Unverified"]
    assert is_true(unverified.status.conditions, "Unverified")
    ready = find_condition(unverified.status.conditions, "Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("True", "Unverified")
    proved = next_version(unverified, settle(unverified, Verified(), attempt=1, now=NOW))
    assert not is_true(proved.status.conditions, "Unverified")


@pytest.mark.parametrize(
    ("spec", "detail"),
    [
        ({"api_key_from": None}, "Model endpoint answered"),
        ({"validation": "Call"}, "The model answered a call of one token"),
    ],
)
def test_no_more_is_claimed_than_was_proved(spec: dict[str, Any], detail: str) -> None:
    llm = an_llm(status=None, **spec)
    assert next_version(llm, settle(llm, Verified(), attempt=1, now=NOW)).status.status_detail == detail


NO_CREDIT = Report("quota exhausted: HTTP 402", 1, is_checkable=False)
BAD_KEY = Report("authentication failed: HTTP 401", 1, is_checkable=True)


@pytest.mark.parametrize(
    ("outcome", "report", "expected"),
    [
        pytest.param(Verified(), None, Verified(), id="no report"),
        pytest.param(Verified(), NO_CREDIT, Rejected(NO_CREDIT.detail), id="no check proves credit"),
        pytest.param(Verified(), BAD_KEY, Verified(), id="the key is proved since"),
        pytest.param(Unverified("x"), BAD_KEY, Rejected(BAD_KEY.detail), id="the server shows nothing"),
        pytest.param(Unknown("down", None), NO_CREDIT, Rejected(NO_CREDIT.detail), id="the server is down"),
        pytest.param(Rejected("401"), NO_CREDIT, Rejected("401"), id="the check is refused too"),
    ],
)
def test_what_a_run_reports_stands_unless_a_check_proves_the_contrary(
    outcome: Outcome, report: Report | None, expected: Outcome
) -> None:
    assert with_report(outcome, report) == expected


def test_a_missing_secret_is_told_once() -> None:
    settled = refused(LLM, 'Secret "openai" not found', NOW)
    assert [event.reason for event in settled.events] == ["ValidationFailed"]
    told = next_version(LLM, settled)
    assert next_version(told, refused(told, 'Secret "openai" not found', NOW)) is told


# --- fields without effect

FAST = an_llm(status=None, parameters=LLMParameters(top_k=3))


def test_fields_without_effect_are_named_and_the_llm_is_ready_all_the_same() -> None:
    settled = settle(FAST, Verified(), attempt=1, now=NOW)
    ready = next_version(FAST, settled)
    assert (ready.status.ready, ready.status.status_detail) == (True, "OpenAI API key validated successfully")
    condition = find_condition(ready.status.conditions, PARAMETERS_IGNORED)
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", "ParametersNotTaken")
    assert condition.message.endswith(": parameters.topK")
    assert next_version(ready, settle(ready, Verified(), attempt=1, now=NOW)) is ready


def test_the_condition_ends_with_the_fields_and_is_not_there_where_it_never_was() -> None:
    ready = next_version(FAST, settle(FAST, Verified(), attempt=1, now=NOW))
    edited = ready.model_copy(update={"spec": LLM.spec})
    after = next_version(edited, settle(edited, Verified(), attempt=1, now=NOW))
    assert not is_true(after.status.conditions, PARAMETERS_IGNORED)
    never = next_version(LLM, settle(LLM, Verified(), attempt=1, now=NOW))
    assert find_condition(never.status.conditions, PARAMETERS_IGNORED) is None


def test_an_open_circuit_is_said_once_and_leaves_the_llm_ready() -> None:
    ready = next_version(LLM, settle(LLM, Verified(), attempt=1, now=NOW))
    told = next_version(ready, circuit(ready, "provider failed: HTTP 503", NOW))
    found = find_condition(told.status.conditions, "CircuitOpen")
    assert found is not None
    assert (found.status, found.reason, told.status.ready) == ("True", "ProviderFailing", True)
    assert "HTTP 503" in found.message
    again = next_version(told, circuit(told, None, NOW))
    assert not is_true(again.status.conditions, "CircuitOpen")
