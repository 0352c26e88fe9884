"""Which of its LLMs a run calls, and what a failed call leads to."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.context import RunContext
from kubechain.api.fallbacks import ANSWERED_BY_LIMIT, PassedOver, PassedOverReason
from kubechain.api.llm import ModelStatus
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import Pinned, TaskRun, TaskRunPhase
from kubechain.controllers.frame import next_version
from kubechain.controllers.taskrun import fallbacks, passing, settle, turning
from kubechain.controllers.taskrun.claims import claim_for
from kubechain.controllers.taskrun.fallbacks import Candidate, Choice
from kubechain.controllers.taskrun.llmslots import Trouble
from kubechain.controllers.taskrun.outcomes import Deferred, Refusal, Refused, Turned
from test.controllers.builders import ME, NOW, a_run, an_answer, an_llm, later

R = PassedOverReason


def candidate(name: str, *, window: int | None = None, trouble: Trouble | None = None, **changes: Any) -> Candidate:
    llm = an_llm(name, **changes)
    known = ModelStatus(context_window=window) if window is not None else None
    return Candidate(name, llm.with_status(model=known), trouble)


DOWN = Trouble("its circuit is open: HTTP 503", 3.0)
A, B, C = (candidate(name) for name in "abc")
A_DOWN, B_DOWN, C_DOWN = (candidate(name, trouble=DOWN) for name in "abc")
B_NOT_READY = candidate("b", status=StatusType.ERROR)
B_GONE = Candidate("b", None)
PINNED = Pinned.from_wire(
    {"agentName": "my-assistant", "llmName": "a", "fallbacks": [{"name": "b"}, {"name": "c"}]},
)


def left(name: str, reason: PassedOverReason) -> PassedOver:
    return PassedOver(llm_name=name, reason=reason, message="as it was")


def claimed(called: Candidate, *passed: PassedOver, failures: int = 0, turn: int = 0, **status: Any) -> TaskRun:
    """A run whose call of an LLM is claimed."""
    run = a_run(phase=TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM, pinned=PINNED, turn=turn, **status)
    assert called.llm is not None
    choice = Choice(called.llm, passed, failures)
    claim = claim_for(run, turn=turn, attempt=0, holder=ME, now=NOW, timeout_seconds=300, choice=choice)
    return run.with_status(llm=claim)


def told(choice: Choice | None) -> str:
    """A choice in short."""
    if choice is None:
        return "nobody"
    passed = ", ".join(f"{one.llm_name} {one.reason}" for one in choice.passed_over)
    return f"{choice.llm.metadata.name}: {passed}" if passed else choice.llm.metadata.name


@pytest.mark.parametrize(
    ("candidates", "gone", "expected"),
    [
        pytest.param((A, B), (), "a", id="the first can answer"),
        pytest.param((A_DOWN, B), (), "b: a ProviderDown", id="the circuit of the first is open"),
        pytest.param((A_DOWN, B_NOT_READY, C), (), "c: a ProviderDown, b NotReady", id="a fallback is not ready"),
        pytest.param((A_DOWN, B_GONE, C), (), "c: a ProviderDown, b NotFound", id="a fallback does not exist"),
        pytest.param((A, B), (left("a", R.CALLS_FAIL),), "b: a CallsFail", id="the first was left in this turn"),
        pytest.param((A, B), (left("b", R.CALLS_FAIL),), "a: b CallsFail", id="what was left stays known"),
        pytest.param((A_DOWN, B_DOWN), (), "nobody", id="all are down"),
        pytest.param(
            (candidate("a", window=100), candidate("b", window=100), candidate("c", window=101)),
            (left("a", R.CONTEXT_TOO_LONG),),
            "c: a ContextTooLong, b WindowNotLarger",
            id="only a larger window takes what was too long",
        ),
        pytest.param(
            (candidate("a", window=100), B),
            (left("a", R.CONTEXT_TOO_LONG),),
            "nobody",
            id="a window that nobody knows is not larger",
        ),
    ],
)
def test_the_first_llm_that_can_answer_is_called(
    candidates: tuple[Candidate, ...], gone: tuple[PassedOver, ...], expected: str
) -> None:
    run = a_run(phase=TaskRunPhase.READY_FOR_LLM, pinned=PINNED)
    assert told(fallbacks.choose(run, candidates, gone)) == expected


SMALL, LARGE = candidate("b", window=100), candidate("c", window=1_000)


@pytest.mark.parametrize(
    ("candidates", "tokens", "expected"),
    [
        pytest.param((A_DOWN, SMALL, LARGE), 99, "b: a ProviderDown", id="it has room"),
        pytest.param((A_DOWN, SMALL, LARGE), 100, "c: a ProviderDown, b WindowNotLarger", id="a later one has room"),
        pytest.param((A_DOWN, SMALL, LARGE), 1_000, "b: a ProviderDown", id="none has room: the first"),
        pytest.param((A_DOWN, SMALL, C), 100, "c: a ProviderDown, b WindowNotLarger", id="a later one may have room"),
        pytest.param((A_DOWN, SMALL, LARGE), None, "b: a ProviderDown", id="nobody has counted the tokens"),
        pytest.param((A_DOWN, SMALL, C_DOWN), 100, "b: a ProviderDown", id="a later one cannot answer"),
        pytest.param((candidate("a", window=100), LARGE), 100, "a", id="the run's own LLM is not passed over for it"),
    ],
)
def test_a_fallback_whose_window_is_known_to_be_too_small_comes_last(
    candidates: tuple[Candidate, ...], tokens: int | None, expected: str
) -> None:
    run = a_run(phase=TaskRunPhase.READY_FOR_LLM, pinned=PINNED, context=RunContext(tokens=tokens))
    assert told(fallbacks.choose(run, candidates, ())) == expected


@pytest.mark.parametrize(
    ("candidates", "gone", "expected"),
    [
        pytest.param((A_DOWN, B_DOWN), (), "a", id="all are down: the first"),
        pytest.param((A_DOWN, B_DOWN), (left("a", R.NO_CREDIT),), "b: a NoCredit", id="not the one that refuses"),
        pytest.param((A, B_NOT_READY), (left("a", R.CALLS_FAIL),), "a", id="the one that may answer again"),
        pytest.param((A, B_NOT_READY), (left("a", R.KEY_REFUSED),), "nobody", id="none that is ready"),
    ],
)
def test_a_run_that_nobody_can_answer_waits_for_the_first_that_may_later(
    candidates: tuple[Candidate, ...], gone: tuple[PassedOver, ...], expected: str
) -> None:
    run = a_run(phase=TaskRunPhase.READY_FOR_LLM, pinned=PINNED)
    assert told(fallbacks.wait_for(run, candidates, gone)) == expected


FAILED = Deferred("HTTP 503", is_provider_failing=True)
NO_CREDIT = Refused("LLMRequestFailed", "HTTP 402", Refusal.NO_CREDIT)
WRONG = Refused("LLMRequestFailed", "HTTP 400")
LONG = Refused("LLMRequestFailed", "HTTP 400", is_too_long=True)
LARGER = candidate("b", window=2)


def after(run: TaskRun, outcome: Deferred | Refused, *candidates: Candidate) -> Any:
    return turning.after(run, outcome, candidates, is_cost_bound=False)


@pytest.mark.parametrize(
    ("failures", "outcome", "candidates", "expected"),
    [
        pytest.param(0, FAILED, (A, B), None, id="a first failure is a hiccup"),
        pytest.param(2, FAILED, (A, B), R.CALLS_FAIL, id="a third one is not"),
        pytest.param(0, FAILED, (A_DOWN, B), R.CALLS_FAIL, id="the circuit opened"),
        pytest.param(0, Deferred("HTTP 503", max_retries=0), (A, B), R.CALLS_FAIL, id="the LLM allows no repeat"),
        pytest.param(2, Deferred("a chunk", is_llms_fault=False), (A, B), None, id="not the fault of the LLM"),
        pytest.param(0, NO_CREDIT, (A, B), R.NO_CREDIT, id="no credit"),
        pytest.param(0, WRONG, (A, B), None, id="a request that is wrong by itself"),
        pytest.param(0, LONG, (candidate("a", window=1), LARGER), R.CONTEXT_TOO_LONG, id="too long, another is larger"),
        pytest.param(0, LONG, (A, LARGER), None, id="too long, and nobody knows for how many tokens"),
    ],
)
def test_a_failure_of_an_llm_leads_to_the_next_one_or_to_none(
    failures: int, outcome: Deferred | Refused, candidates: tuple[Candidate, ...], expected: PassedOverReason | None
) -> None:
    meaning = after(claimed(A, failures=failures), outcome, *candidates)
    if expected is None:
        assert meaning == outcome
    else:
        assert isinstance(meaning, Turned)
        assert (meaning.cause.reason, meaning.next_llm) == (expected, "b")


def test_where_no_other_can_answer_the_run_waits_and_begins_again_with_the_first() -> None:
    run = claimed(B, left("a", R.CALLS_FAIL), failures=2)
    meaning = after(run, FAILED, A, B)
    assert meaning.left == ()
    waiting = next_version(run, settle.outcome(run, meaning, jitter=1.0, is_agent_gone=False, now=NOW))
    assert waiting.status.next_attempt_at is not None
    assert waiting.status.next_attempt_at > NOW
    assert told(fallbacks.choose(waiting, (A, B), fallbacks.left_in_turn(waiting))) == "a"


def test_an_llm_that_refuses_is_not_called_again_while_another_may_come_back() -> None:
    run = claimed(B, left("a", R.CALLS_FAIL))
    meaning = after(run, NO_CREDIT, A_DOWN, B)
    assert isinstance(meaning, Deferred)
    waiting = next_version(run, settle.outcome(run, meaning, jitter=1.0, is_agent_gone=False, now=NOW))
    assert told(fallbacks.choose(waiting, (A, B), fallbacks.left_in_turn(waiting))) == "a: b NoCredit"


def test_the_next_llm_is_called_at_once_and_the_time_for_retries_goes_on() -> None:
    run = claimed(A, failures=2)
    turned = next_version(
        run, settle.outcome(run, after(run, FAILED, A, B), jitter=1.0, is_agent_gone=False, now=later(9))
    )
    status, claim = turned.status, turned.status.llm
    assert claim is not None
    assert (status.phase, status.next_attempt_at) == (TaskRunPhase.ERROR_BACKOFF, later(9))
    assert (claim.failing_since, claim.failures) == (NOW, None)
    assert told(fallbacks.choose(turned, (A, B), fallbacks.left_in_turn(turned))) == "b: a CallsFail"


def test_what_was_left_in_one_turn_is_called_in_the_next() -> None:
    run = claimed(B, left("a", R.CALLS_FAIL)).with_status(turn=1)
    assert fallbacks.left_in_turn(run) == ()


def test_turns_with_the_same_llm_for_the_same_reason_are_one_record_and_the_newest_are_kept() -> None:
    records: tuple[Any, ...] = ()
    for turn in range(100):
        cause = (left("a", R.CALLS_FAIL),) if turn % 10 == 0 else ()
        run = claimed(B if cause else A, *cause, turn=turn, answered_by=records)
        records = passing.answered(run, "m").status["answered_by"]
    assert len(records) == 20
    last = records[-1]
    assert (last.llm_name, last.first_turn, last.last_turn, last.passed_over) == ("a", 91, 99, ())
    for turn in range(100, 200):
        run = claimed(A if turn % 2 else B, *(() if turn % 2 else (left("a", R.NO_CREDIT),)), turn=turn)
        records = passing.answered(run.with_status(answered_by=records), "m").status["answered_by"]
    assert len(records) == ANSWERED_BY_LIMIT
    assert records[-1].last_turn == 199


def test_a_run_without_fallbacks_says_nothing_of_them() -> None:
    run = a_run(phase=TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM)
    choice = Choice(an_llm())
    claim = claim_for(run, turn=0, attempt=0, holder=ME, now=NOW, timeout_seconds=300, choice=choice)
    assert (claim.llm_name, claim.passed_over, claim.failures) == (None, (), None)
    settled = settle.answered(run.with_status(llm=claim), an_answer(), NOW)
    assert "answered_by" not in settled.status


def test_a_fallback_is_told_once_for_as_long_as_nothing_changes() -> None:
    first = claimed(B, left("a", R.PROVIDER_DOWN))
    assert first.status.llm is not None
    before = first.with_status(llm=None)
    assert len(passing.claimed(before, first.status.llm).events) == 1
    answered = next_version(first, passing.answered(first, "m")).with_status(turn=1, llm=None)
    again = claimed(B, left("a", R.PROVIDER_DOWN), turn=1)
    assert again.status.llm is not None
    assert passing.claimed(answered, again.status.llm).events == ()
