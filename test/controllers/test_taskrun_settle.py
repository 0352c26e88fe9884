"""What outcomes make of a run's status."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubechain.api.conditions import find_condition
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun, TaskRunPhase, Usage
from kubechain.controllers.frame import Settled, next_version
from kubechain.controllers.taskrun import conversation, settle
from kubechain.controllers.taskrun.claims import holds, token
from kubechain.controllers.taskrun.outcomes import Deferred, Refused, outcome_of, wait_seconds
from kubechain.controllers.taskrun.steps import AnswerToolCalls, Fail, Wait
from kubechain.llm import errors
from test.controllers.builders import NOW, RUN_UID, a_call, a_claim, a_run, an_answer, later

P = TaskRunPhase


def a_claimed_run(attempt: int = 0) -> TaskRun:
    return a_run(phase=P.SEND_CONTEXT_WINDOW_TO_LLM, llm=a_claim(attempt=attempt))


def after(run: TaskRun, settled: Settled) -> TaskRun:
    return next_version(run, settled)


def reasons_of(settled: Settled) -> list[str]:
    return [event.reason for event in settled.events]


def test_a_final_answer_ends_the_run_with_everything_that_people_look_for() -> None:
    run = a_claimed_run()
    settled = settle.answered(run, an_answer("It has none."), later(2))
    status = after(run, settled).status
    assert [message.role for message in status.context_window] == ["system", "user", "assistant"]
    assert (status.phase, status.ready, status.status) == (P.FINAL_ANSWER, True, "Ready")
    assert (status.output, status.status_detail) == ("It has none.", "LLM final response received")
    assert (status.message_count, status.completion_time, status.llm) == (3, later(2), None)
    assert status.usage == Usage(input_tokens=10, output_tokens=5, total_tokens=15, model_calls=1)
    succeeded = find_condition(status.conditions, "Succeeded")
    assert succeeded is not None
    assert succeeded.status == "True"
    assert [(event.reason, event.message) for event in settled.events] == [
        ("LLMFinalAnswer", "LLM response received successfully")
    ]


def test_usage_adds_up_over_turns() -> None:
    run = a_claimed_run().with_status(usage=Usage(input_tokens=1, output_tokens=2, total_tokens=3, model_calls=1))
    status = after(run, settle.answered(run, an_answer(), NOW)).status
    assert status.usage == Usage(input_tokens=11, output_tokens=7, total_tokens=18, model_calls=2)


def test_tool_calls_are_persisted_with_the_message_that_asks_for_them() -> None:
    run = a_claimed_run()
    calls = (a_call("add", '{"a": 1}', call_id="x"), a_call("add", '{"a": 2}', call_id="y"))
    status = after(run, settle.answered(run, an_answer("", *calls), NOW)).status
    assert status.phase == P.TOOL_CALLS_PENDING
    assert status.context_window[-1].tool_calls == calls
    assert [(call.idx, call.tool_call_id, call.arguments) for call in status.pending_turn] == [
        (0, "x", '{"a": 1}'),
        (1, "y", '{"a": 2}'),
    ]
    assert status.pending_turn[0].args_sha != status.pending_turn[1].args_sha
    assert status.completion_time is None


def test_missing_and_doubled_call_ids_become_our_own_in_message_and_pending_calls_alike() -> None:
    run = a_claimed_run().with_status(turn=4)
    calls = (a_call("f", call_id="x"), a_call("f", call_id="x"), a_call("f", call_id=""))
    status = after(run, settle.answered(run, an_answer("", *calls), NOW)).status
    assert [call.tool_call_id for call in status.pending_turn] == ["x", "t4c1", "t4c2"]
    assert [call.id for call in status.context_window[-1].tool_calls] == ["x", "t4c1", "t4c2"]


def test_an_answer_that_no_server_could_store_fails_the_run_and_keeps_the_conversation() -> None:
    run = a_claimed_run()
    settled = settle.answered(run, an_answer("x" * conversation.CONTEXT_WINDOW_MAX_BYTES), NOW)
    status = after(run, settled).status
    assert status.phase == P.FAILED
    assert status.context_window == run.status.context_window
    assert "the limit is" in (status.error or "")


def test_a_long_answer_stays_whole_in_the_conversation_and_is_cut_in_the_output() -> None:
    run = a_claimed_run()
    text = "ä" * conversation.OUTPUT_MAX_BYTES
    status = after(run, settle.answered(run, an_answer(text), NOW)).status
    assert status.context_window[-1].content == text
    assert len(status.output.encode()) <= conversation.OUTPUT_MAX_BYTES + 3
    assert status.output.endswith("ä…")


def test_all_tool_answers_of_a_turn_enter_in_one_write() -> None:
    run = a_run(phase=P.TOOL_CALLS_PENDING, turn=1)
    answers = (Message(role="tool", tool_call_id="x", content="1"), Message(role="tool", tool_call_id="y", content="2"))
    status = after(run, settle.tools_answered(run, AnswerToolCalls(answers))).status
    assert (status.phase, status.turn, status.pending_turn) == (P.READY_FOR_LLM, 2, ())
    assert status.context_window[-2:] == answers
    assert status.message_count == 4


def test_a_passing_failure_keeps_the_conversation_and_says_when_it_goes_on() -> None:
    run = a_claimed_run(attempt=1)
    settled = settle.deferred(run, Deferred("openai: 503: overloaded"), wait_seconds=8, now=NOW)
    status = after(run, settled).status
    assert (status.phase, status.status, status.next_attempt_at) == (P.ERROR_BACKOFF, "Error", later(8))
    assert status.context_window == run.status.context_window
    assert status.status_detail == "Model call failed 2 time(s), trying again: openai: 503: overloaded"
    assert settled.requeue_after_seconds == 8


def test_the_same_failure_again_is_no_news() -> None:
    run = a_claimed_run().with_status(error="openai: 503")
    assert reasons_of(settle.deferred(run, Deferred("openai: 503"), wait_seconds=8, now=NOW)) == []
    assert reasons_of(settle.deferred(run, Deferred("openai: 429"), wait_seconds=8, now=NOW)) == ["LLMRequestFailed"]


def test_a_failed_run_says_why_in_status_error_condition_and_event() -> None:
    run = a_claimed_run()
    settled = settle.failed(run, Fail("LLMRequestFailed", "openai: 404: no such model"), later(1))
    status = after(run, settled).status
    assert (status.phase, status.ready, status.completion_time) == (P.FAILED, False, later(1))
    assert status.error == status.status_detail == "openai: 404: no such model"
    assert [(event.type, event.reason, event.message) for event in settled.events] == [
        ("Warning", "LLMRequestFailed", "openai: 404: no such model")
    ]


def test_a_foreign_text_of_any_length_fits_the_status() -> None:
    run = a_claimed_run()
    status = after(run, settle.failed(run, Fail("LLMRequestFailed", "x" * 10_000), NOW)).status
    assert len(status.error or "") == settle.ERROR_MAX_CHARACTERS


def test_waiting_is_told_once() -> None:
    run = a_run()
    settled = settle.waiting(run, Wait('Waiting for task "hello" to become ready'))
    assert [(event.reason, event.message) for event in settled.events] == [
        ("Waiting", 'Waiting for task "hello" to become ready')
    ]
    waiting = after(run, settled)
    again = settle.waiting(waiting, Wait('Waiting for task "hello" to become ready'))
    assert next_version(waiting, again) is waiting


def test_a_conversation_that_waits_keeps_its_phase() -> None:
    run = a_run(phase=P.READY_FOR_LLM)
    status = after(run, settle.waiting(run, Wait('Waiting for LLM "gpt-4o" to exist'))).status
    assert (status.phase, status.status) == (P.READY_FOR_LLM, "Pending")


def test_previews_count_characters_and_stay_on_one_line() -> None:
    text = "日本語\n" * 30
    preview = conversation.preview((Message(role="user", content=text),))
    assert len(preview) == 50
    assert "\n" not in preview


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
            Refused("LLMRequestFailed", "401", doubts_llm=True),
            id="401 is final",
        ),
        pytest.param(
            errors.ModelNotFound("404"), 0, Refused("LLMRequestFailed", "404", doubts_llm=True), id="404 is final"
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


def test_a_claim_counts_only_for_its_own_token_and_holder() -> None:
    claim = a_claim()
    run = a_run(phase=P.SEND_CONTEXT_WINDOW_TO_LLM, llm=claim)
    assert holds(run, claim)
    assert not holds(run, a_claim(attempt=1))
    assert not holds(run, a_claim(holder="pod-b_other"))
    assert not holds(run.with_status(phase=P.FINAL_ANSWER), claim)


def test_tokens_are_the_same_for_the_same_attempt_and_differ_between_attempts() -> None:
    assert token(RUN_UID, 0, 0) == token(RUN_UID, 0, 0)
    assert len({token(RUN_UID, turn, attempt) for turn in range(10) for attempt in range(10)}) == 100


def test_an_unchanged_status_is_no_new_version() -> None:
    run = a_run(phase=P.READY_FOR_LLM, ready=False)
    assert next_version(run, Settled({"phase": P.READY_FOR_LLM, "ready": False, "llm": None})) is run
    assert next_version(run, replace(Settled(), status={"turn": 9})) is not run


def test_not_ready_is_said_aloud() -> None:
    run = next_version(a_run(), settle.waiting(a_run(), Wait("Waiting for something")))
    assert run.to_wire()["status"]["ready"] is False
