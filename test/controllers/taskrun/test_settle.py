"""What outcomes make of a run's status."""

from __future__ import annotations

from dataclasses import replace

from kubechain.api.conditions import find_condition
from kubechain.api.message import Message
from kubechain.api.taskrun import SteeringMessage, TaskRun, TaskRunPhase
from kubechain.api.usage import Usage, added
from kubechain.controllers.frame import Settled, next_version
from kubechain.controllers.taskrun import conversation, ends, settle
from kubechain.controllers.taskrun.outcomes import Deferred
from kubechain.controllers.taskrun.steps import AnswerToolCalls, Fail, Wait
from test.controllers.builders import NOW, a_call, a_claim, a_run, an_answer, later

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


def test_what_only_some_providers_count_is_written_where_there_is_some() -> None:
    plain = Usage(input_tokens=1, output_tokens=2, total_tokens=3, model_calls=1)
    cached = Usage(input_tokens=9, total_tokens=9, model_calls=1, cache_read_tokens=7, reasoning_tokens=1)
    assert "cacheReadTokens" not in added(plain, plain).to_wire()
    wire = added(added(plain, cached), cached).to_wire()
    assert (wire["inputTokens"], wire["cacheReadTokens"], wire["reasoningTokens"]) == (19, 14, 2)
    assert "cacheWriteTokens" not in wire


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


def test_an_answer_that_no_server_could_store_keeps_its_head_and_tail() -> None:
    run = a_claimed_run()
    settled = settle.answered(run, an_answer("x" * conversation.CONTEXT_WINDOW_MAX_BYTES), NOW)
    status = after(run, settled).status
    assert status.phase == P.FINAL_ANSWER
    assert "bytes left out" in status.context_window[-1].content
    assert status.context_window[:-1] == run.status.context_window


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
    assert (
        status.status_detail
        == "Model call failed 2 time(s), trying again at 2026-01-01T12:00:08Z: openai: 503: overloaded"
    )
    assert settled.requeue_after_seconds == 8


def test_the_same_failure_again_is_no_news() -> None:
    run = a_claimed_run().with_status(error="openai: 503")
    assert reasons_of(settle.deferred(run, Deferred("openai: 503"), wait_seconds=8, now=NOW)) == []
    assert reasons_of(settle.deferred(run, Deferred("openai: 429"), wait_seconds=8, now=NOW)) == ["LLMRequestFailed"]


def test_a_failed_run_says_why_in_status_error_condition_and_event() -> None:
    run = a_claimed_run()
    settled = ends.failed(run, Fail("LLMRequestFailed", "openai: 404: no such model"), later(1))
    status = after(run, settled).status
    assert (status.phase, status.ready, status.completion_time) == (P.FAILED, False, later(1))
    assert status.error == status.status_detail == "openai: 404: no such model"
    assert [(event.type, event.reason, event.message) for event in settled.events] == [
        ("Warning", "LLMRequestFailed", "openai: 404: no such model")
    ]


def test_a_foreign_text_of_any_length_fits_the_status() -> None:
    run = a_claimed_run()
    status = after(run, ends.failed(run, Fail("LLMRequestFailed", "x" * 10_000), NOW)).status
    assert len(status.error or "") == ends.ERROR_MAX_CHARACTERS


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


def test_an_unchanged_status_is_no_new_version() -> None:
    run = a_run(phase=P.READY_FOR_LLM, ready=False)
    assert next_version(run, Settled({"phase": P.READY_FOR_LLM, "ready": False, "llm": None})) is run
    assert next_version(run, replace(Settled(), status={"turn": 9})) is not run


def test_not_ready_is_said_aloud() -> None:
    run = next_version(a_run(), settle.waiting(a_run(), Wait("Waiting for something")))
    assert run.to_wire()["status"]["ready"] is False


def test_messages_that_a_failed_or_cancelled_run_never_read_are_told() -> None:
    late = {"messages": (SteeringMessage(content="In French."),)}
    run = a_run(phase=P.READY_FOR_LLM, spec=late)
    for settled in (ends.failed(run, Fail("LimitExceeded", "why"), NOW), ends.cancelled(run, NOW)):
        assert next(event.reason for event in settled.events) == "MessagesNotRead"
