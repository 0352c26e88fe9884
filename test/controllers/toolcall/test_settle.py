"""What a step or an outcome makes of a tool call's status: one end, and never an attempt too many."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api import reasons
from kubechain.api.taskrun import SpanContext, TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.api.tool import ToolSemantics
from kubechain.controllers.frame import Settled, next_version
from kubechain.controllers.toolcall import settle
from kubechain.controllers.toolcall.decide import INTERRUPTED, decide
from kubechain.controllers.toolcall.outcomes import Answered, Interrupted, NotDone, Outcome, Unclear
from kubechain.controllers.toolcall.steps import Execute
from test.controllers.builders import NOW, later
from test.controllers.toolcall.builders import (
    CHILD_NAME,
    a_tool_call,
    a_waiting_run,
    an_execution,
    claimed,
    seen,
)

P = ToolCallPhase
ONCE, REPEATABLE = ToolSemantics.AT_MOST_ONCE, ToolSemantics.IDEMPOTENT
NEW, RUNNING = a_tool_call(), claimed()
END = later(2.5)
MAYBE = "it may or may not have taken effect"


def said(settled: Settled) -> list[tuple[str, str, str]]:
    return [(event.type, event.reason, event.message) for event in settled.events]


def changed(call: TaskRunToolCall, settled: Settled) -> dict[str, Any]:
    """The status fields that differ after the write."""
    before, after = call.status, next_version(call, settled).status
    names = type(after).model_fields
    return {name: getattr(after, name) for name in names if getattr(after, name) != getattr(before, name)}


# --- waiting


@pytest.mark.parametrize("call", [NEW, a_tool_call(P.PENDING), RUNNING], ids=["new", "pending", "claimed"])
def test_a_call_that_waits_says_for_what_and_says_it_once(call: TaskRunToolCall) -> None:
    settled = settle.waiting(call, "Waiting for it", 1.0)
    assert said(settled) == [("Normal", reasons.WAITING, "Waiting for it")]
    assert settled.requeue_after_seconds == 1.0
    waiting = next_version(call, settled)
    assert (waiting.status.phase, waiting.status.status, waiting.status.ready) == (P.PENDING, "Pending", False)
    assert waiting.status.execution == call.status.execution
    again = settle.waiting(waiting, "Waiting for it")
    assert next_version(waiting, again) is waiting
    assert (said(again), again.requeue_after_seconds) == ([], None)


# --- claimed


def test_a_claim_is_written_before_the_call() -> None:
    settled = settle.claimed(NEW, a_waiting_run(), an_execution())
    assert changed(NEW, settled) == {
        "phase": P.RUNNING,
        "ready": True,
        "status": "Ready",
        "status_detail": "Carrying the call out",
        "execution": an_execution(),
        "start_time": NOW,
        "observed_generation": 1,
    }
    assert said(settled) == []
    assert settled.facts == {"attempt": 0, "tool": "add"}


def test_a_later_attempt_keeps_the_time_of_the_first_one() -> None:
    begun = a_tool_call(P.PENDING, start_time=NOW, execution=an_execution())
    second = an_execution(attempt=1).with_changes(started_at=later(60))
    status = next_version(begun, settle.claimed(begun, a_waiting_run(), second)).status
    assert (status.start_time, status.execution) == (NOW, second)


SPAN = SpanContext(trace_id="a" * 32, span_id="b" * 16)


@pytest.mark.parametrize(
    ("run", "span"),
    [
        pytest.param(
            a_waiting_run(span_context=SPAN),
            SpanContext(trace_id="a" * 32, span_id=NEW.metadata.uid.replace("-", "")[:16]),
            id="in the trace of its run",
        ),
        pytest.param(a_waiting_run(), None, id="the run has no trace"),
        pytest.param(None, None, id="the run is gone"),
    ],
)
def test_a_call_is_a_span_of_its_own_in_the_trace_of_its_run(run: TaskRun | None, span: SpanContext | None) -> None:
    assert settle.claimed(NEW, run, an_execution()).status["span_context"] == span
    assert settle.delegated(NEW, run, NOW).status["span_context"] == span


# --- outcomes


def outcome_row(
    outcome: Outcome, semantics: ToolSemantics, attempt: int, phase: ToolCallPhase, detail: str, *, id: str
) -> Any:
    return pytest.param(claimed(semantics=semantics, attempt=attempt), outcome, phase, detail, id=id)


OK, OWN_ERROR = Answered("5"), Answered("exit code 3", is_error=True)
NEVER, NOT_NOW, BROKEN_OFF = NotDone("refused"), NotDone("not connected", may_pass=True), Unclear("timed out")
DONE, ITS_ERROR = "Tool executed successfully", "The tool answered with an error"
AGAIN_LATER, AGAIN = "Trying again: not connected", "Trying again: timed out"
UNKNOWN = f"timed out: {MAYBE}"


@pytest.mark.parametrize(
    ("call", "outcome", "phase", "detail"),
    [
        outcome_row(OK, REPEATABLE, 0, P.SUCCEEDED, DONE, id="a result of a safe call"),
        outcome_row(OK, ONCE, 0, P.SUCCEEDED, DONE, id="a result of an unsafe call"),
        outcome_row(OK, REPEATABLE, 2, P.SUCCEEDED, DONE, id="a result of the last attempt"),
        outcome_row(OWN_ERROR, REPEATABLE, 0, P.FAILED, ITS_ERROR, id="an error of the tool is no reason to repeat"),
        outcome_row(OWN_ERROR, ONCE, 2, P.FAILED, ITS_ERROR, id="an error of the tool on the last attempt"),
        outcome_row(NEVER, REPEATABLE, 0, P.FAILED, "refused", id="certainly not made, and it never will be"),
        outcome_row(NEVER, ONCE, 0, P.FAILED, "refused", id="an unsafe call that cannot be made"),
        outcome_row(NOT_NOW, REPEATABLE, 0, P.PENDING, AGAIN_LATER, id="certainly not made, first attempt"),
        outcome_row(NOT_NOW, REPEATABLE, 1, P.PENDING, AGAIN_LATER, id="certainly not made, second attempt"),
        outcome_row(NOT_NOW, REPEATABLE, 2, P.FAILED, "not connected", id="certainly not made, third attempt"),
        outcome_row(NOT_NOW, ONCE, 0, P.PENDING, AGAIN_LATER, id="an unsafe call that was certainly not made"),
        outcome_row(NOT_NOW, ONCE, 1, P.PENDING, AGAIN_LATER, id="an unsafe call that was twice not made"),
        outcome_row(NOT_NOW, ONCE, 2, P.FAILED, "not connected", id="an unsafe call that was three times not made"),
        outcome_row(BROKEN_OFF, REPEATABLE, 0, P.PENDING, AGAIN, id="no answer to a safe call, first attempt"),
        outcome_row(BROKEN_OFF, REPEATABLE, 1, P.PENDING, AGAIN, id="no answer to a safe call, second attempt"),
        outcome_row(BROKEN_OFF, REPEATABLE, 2, P.OUTCOME_UNKNOWN, UNKNOWN, id="no answer to a safe call, third"),
        outcome_row(BROKEN_OFF, ONCE, 0, P.OUTCOME_UNKNOWN, UNKNOWN, id="no answer to an unsafe call"),
        outcome_row(BROKEN_OFF, ONCE, 1, P.OUTCOME_UNKNOWN, UNKNOWN, id="no answer to its second attempt"),
        outcome_row(BROKEN_OFF, ONCE, 2, P.OUTCOME_UNKNOWN, UNKNOWN, id="no answer to its third attempt"),
        outcome_row(Interrupted(), REPEATABLE, 0, P.CANCELLED, INTERRUPTED, id="stopped: a safe call"),
        outcome_row(Interrupted(), ONCE, 0, P.CANCELLED, INTERRUPTED, id="stopped: an unsafe call"),
        pytest.param(a_tool_call(P.RUNNING), NOT_NOW, P.FAILED, "not connected", id="no claim: no attempt is left"),
        pytest.param(a_tool_call(P.RUNNING), BROKEN_OFF, P.OUTCOME_UNKNOWN, UNKNOWN, id="no claim: not repeatable"),
    ],
)
def test_an_outcome_ends_the_call_or_leads_to_another_attempt(
    call: TaskRunToolCall, outcome: Outcome, phase: ToolCallPhase, detail: str
) -> None:
    settled = settle.concluded(call, outcome, END)
    after = next_version(call, settled).status
    assert (after.phase, after.status_detail) == (phase, detail)
    assert after.execution == call.status.execution
    assert after.completion_time == (END.replace(microsecond=0) if phase.is_terminal else None)


@pytest.mark.parametrize("outcome", [NOT_NOW, BROKEN_OFF], ids=["not made", "no answer"])
def test_a_call_whose_outcomes_may_pass_is_made_three_times(outcome: Outcome) -> None:
    call, attempts = NEW, list[int]()
    while not (call.status.phase and call.status.phase.is_terminal):
        step = decide(seen(call, "add"))
        assert isinstance(step, Execute)
        attempts.append(step.attempt)
        execution = an_execution(attempt=step.attempt, semantics=step.semantics)
        call = next_version(call, settle.claimed(call, a_waiting_run(), execution))
        call = next_version(call, settle.concluded(call, outcome, END))
    assert attempts == [0, 1, 2]


def ended(phase: ToolCallPhase, detail: str, **more: Any) -> dict[str, Any]:
    """The status of a call that is over, as far as settling it decides."""
    is_success = phase == P.SUCCEEDED
    summary = "Succeeded" if is_success else "Error"
    values = {"phase": phase, "ready": is_success, "status": summary, "status_detail": detail}
    return {"result": None, "error": None, "completion_time": END.replace(microsecond=0)} | values | more


CHILD_DELETED = f'the agent\'s run "{CHILD_NAME}" was deleted'


@pytest.mark.parametrize(
    ("settled", "status", "event"),
    [
        pytest.param(
            settle.concluded(RUNNING, OK, END),
            ended(P.SUCCEEDED, DONE, result="5"),
            ("Normal", reasons.TOOL_CALL_SUCCEEDED, DONE),
            id="a result",
        ),
        pytest.param(
            settle.concluded(RUNNING, Answered(""), END),
            ended(P.SUCCEEDED, DONE, result=""),
            ("Normal", reasons.TOOL_CALL_SUCCEEDED, DONE),
            id="a result of no characters",
        ),
        pytest.param(
            settle.concluded(RUNNING, OWN_ERROR, END),
            ended(P.FAILED, ITS_ERROR, error="exit code 3", result="exit code 3"),
            ("Warning", reasons.TOOL_CALL_FAILED, ITS_ERROR),
            id="an error of the tool, whose words no event repeats",
        ),
        pytest.param(
            settle.failed(RUNNING, "refused", END),
            ended(P.FAILED, "refused", error="refused"),
            ("Warning", reasons.TOOL_CALL_FAILED, "refused"),
            id="never carried out",
        ),
        pytest.param(
            settle.unknown(RUNNING, "timed out", END),
            ended(P.OUTCOME_UNKNOWN, UNKNOWN, error="timed out"),
            ("Warning", reasons.OUTCOME_UNKNOWN, UNKNOWN),
            id="nobody knows",
        ),
        pytest.param(
            settle.child_deleted(RUNNING, None, END),
            ended(P.OUTCOME_UNKNOWN, f"{CHILD_DELETED}: {MAYBE}", error=CHILD_DELETED),
            ("Warning", reasons.OUTCOME_UNKNOWN, f"{CHILD_DELETED}: {MAYBE}"),
            id="the other Agent's run was deleted",
        ),
        pytest.param(
            settle.cancelled(RUNNING, "its run was cancelled", END),
            ended(P.CANCELLED, "its run was cancelled", error="its run was cancelled"),
            ("Normal", reasons.CANCELLED, "its run was cancelled"),
            id="cancelled",
        ),
    ],
)
def test_the_end_of_a_call_is_one_write_and_one_event(
    settled: Settled, status: dict[str, Any], event: tuple[str, str, str]
) -> None:
    after = next_version(RUNNING, settled).status
    assert {name: getattr(after, name) for name in status} == status
    assert after.execution == RUNNING.status.execution
    assert said(settled) == [event]
    assert settled.requeue_after_seconds is None


@pytest.mark.parametrize(
    ("call", "facts"),
    [
        pytest.param(RUNNING, {"tool": "add", "duration_seconds": 2.5}, id="it was carried out"),
        pytest.param(NEW, {"tool": "add"}, id="it was not carried out"),
    ],
)
def test_the_log_line_says_how_long_the_call_took(call: TaskRunToolCall, facts: dict[str, Any]) -> None:
    for settled in (
        settle.succeeded(call, "5", END),
        settle.failed(call, "no", END),
        settle.unknown(call, "no", END),
        settle.cancelled(call, "no", END),
    ):
        assert settled.facts == facts


# --- delegated


def test_a_delegated_call_names_the_run_that_answers_it() -> None:
    settled = settle.delegated(NEW, a_waiting_run(), END)
    assert changed(NEW, settled) == {
        "phase": P.AWAITING_SUB_AGENT,
        "ready": True,
        "status": "Ready",
        "status_detail": f'Waiting for the agent\'s run "{CHILD_NAME}"',
        "external_call_id": CHILD_NAME,
        "start_time": END.replace(microsecond=0),
        "observed_generation": 1,
    }
    assert said(settled) == [("Normal", reasons.SUB_AGENT_STARTED, f"Created TaskRun {CHILD_NAME}")]


def test_a_call_that_was_claimed_before_it_was_delegated_keeps_the_time_of_its_start() -> None:
    begun = a_tool_call(P.PENDING, start_time=NOW, execution=an_execution())
    assert next_version(begun, settle.delegated(begun, a_waiting_run(), END)).status.start_time == NOW


# --- late results


def test_a_late_result_changes_nothing_else() -> None:
    ended = next_version(RUNNING, settle.unknown(RUNNING, "the call was interrupted", END))
    settled = settle.late("5")
    assert changed(ended, settled) == {"late_result": "5"}
    assert said(settled) == [("Warning", reasons.LATE_RESULT, "An answer came too late")]


# --- sizes


BYTES = settle.RESULT_MAX_BYTES
ERROR = settle.ERROR_MAX_CHARACTERS


@pytest.mark.parametrize(
    ("content", "is_whole"),
    [
        pytest.param("x" * BYTES, True, id="at the limit"),
        pytest.param("x" * (BYTES + 1), False, id="one byte over it"),
        pytest.param("é" * (BYTES // 2), True, id="at the limit, in characters of two bytes"),
        pytest.param("é" * (BYTES // 2 + 1), False, id="over it, in characters of two bytes"),
    ],
)
def test_a_result_over_the_limit_is_truncated_with_a_note(content: str, is_whole: bool) -> None:
    for kept in (
        settle.succeeded(RUNNING, content, END).status["result"],
        settle.failed(RUNNING, content, END, is_answer=True).status["result"],
        settle.late(content).status["late_result"],
    ):
        assert (kept == content) == is_whole
        assert kept.endswith(" bytes left out: the result is over the limit]") != is_whole
        assert len(kept.encode()) <= BYTES + 100


def test_a_result_that_was_refused_is_stored_much_shorter() -> None:
    kept = settle.stored("x" * BYTES, settle.SCARCE_RESULT_BYTES)
    assert len(kept.encode()) <= settle.SCARCE_RESULT_BYTES + 100


def test_the_words_of_an_error_are_truncated_and_an_own_error_is_kept_whole() -> None:
    long = "x" * (ERROR + 1)
    failed = settle.failed(RUNNING, long, END).status
    answer = settle.failed(RUNNING, long, END, is_answer=True).status
    unknown = settle.unknown(RUNNING, long, END).status
    for text in (failed["error"], failed["status_detail"], answer["error"], unknown["error"], unknown["status_detail"]):
        assert len(text) == ERROR
    assert (answer["result"], answer["status_detail"]) == (long, ITS_ERROR)
    assert "result" not in failed
