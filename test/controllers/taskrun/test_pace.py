"""How soon calls of an LLM may start, and how many at once."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain.api.llm import LLMProvider, LLMSpec, RateLimit
from kubechain.controllers.taskrun.circuit import OPENS_AFTER, Circuit
from kubechain.controllers.taskrun.llmqueue import whole
from kubechain.controllers.taskrun.pace import LONGEST_USED_UP_SECONDS, Pace


def a_pace(*, limit: int | None = None, requests: int | None = None, tokens: int | None = None) -> Pace:
    pace = Pace()
    rate = RateLimit(requests_per_minute=requests, tokens_per_minute=tokens)
    pace.configure(LLMSpec(provider=LLMProvider.OPENAI, max_concurrent_requests=limit, rate_limit=rate), 0.0, whole)
    return pace


def starts(pace: Pace, count: int, size_bytes: int = 0) -> list[float]:
    """When so many calls start that are all waiting from the beginning."""
    now, found = 0.0, list[float]()
    for _ in range(count):
        while (wait := pace.wait_seconds(size_bytes, now)) > 0:
            now += wait
        pace.take(size_bytes)
        found.append(now)
    return found


@given(st.integers(1, 500), st.integers(1, 1_000))
def test_no_minute_has_more_requests_than_the_plan_allows(requests: int, count: int) -> None:
    found = starts(a_pace(requests=requests), count)
    for first, start in enumerate(found):
        within = sum(1 for other in found[first:] if other < start + 59.999)
        assert within <= requests


def test_a_busy_minute_has_nine_tenths_of_the_requests_at_least() -> None:
    found = Counter(int(start // 60) for start in starts(a_pace(requests=100), 500))
    assert min(found[minute] for minute in range(4)) >= 90


def test_tokens_are_estimated_and_then_counted_as_the_provider_says() -> None:
    pace = a_pace(tokens=1_000)
    pace.take(2_000)
    assert pace.wait_seconds(2_000, 0.0) == 0.0, "500 of 1000 were taken"
    pace.answered(2_000, 900)
    assert pace.wait_seconds(400, 0.0) == pytest.approx((400 * 0.29 - 100) / (1_000 / 60))  # pyright: ignore[reportUnknownMemberType]


def test_a_conversation_larger_than_a_minutes_tokens_is_sent_once_the_bucket_is_full() -> None:
    assert starts(a_pace(tokens=600), 2, size_bytes=1_000_000)[1] > 60.0


def test_a_429_holds_all_calls_for_as_long_as_the_provider_asks_and_halves_how_many_go_at_once() -> None:
    pace = a_pace(limit=8)
    for _ in range(8):
        pace.limited(started_at=1.0, in_flight=8, retry_after_seconds=20.0, now=2.0)
    assert pace.wait_seconds(0, 2.0) == 20.0
    assert pace.allowed == 4, "calls that were in flight together count once"
    pace.limited(started_at=22.0, in_flight=1, retry_after_seconds=5.0, now=23.0)
    assert pace.allowed == 1
    for _ in range(1 + 2 + 3 + 4 + 5 + 6 + 7 + 50):
        pace.answered(0, 0)
    assert pace.allowed == 8, "one more after as many answers as are allowed, never more than the limit"


def test_a_shorter_wait_does_not_end_a_longer_one() -> None:
    pace = a_pace()
    pace.hold(20.0, 0.0)
    pace.hold(1.0, 1.0)
    assert pace.wait_seconds(0, 1.0) == 19.0


def test_an_answer_that_says_that_nothing_is_left_holds_until_the_reset_but_not_for_hours() -> None:
    pace = a_pace()
    pace.used_up(12.0, 0.0)
    assert (pace.wait_seconds(0, 0.0), pace.is_fresh(0.0)) == (12.0, False)
    pace.used_up(86_400.0, 12.0)
    assert pace.wait_seconds(0, 12.0) == LONGEST_USED_UP_SECONDS
    assert pace.is_fresh(12.0 + LONGEST_USED_UP_SECONDS)


def failed(circuit: Circuit, times: int, now: float = 0.0) -> Circuit:
    for _ in range(times):
        circuit.failed("HTTP 503", now, is_trial=False)
    return circuit


def test_a_circuit_opens_after_failures_in_a_row_and_closes_with_an_answer() -> None:
    circuit = failed(Circuit(), OPENS_AFTER - 1)
    circuit.answered()
    assert not failed(circuit, OPENS_AFTER - 1).is_open
    assert failed(circuit, 1).is_open
    circuit.answered()
    assert circuit.is_fresh


def test_trials_become_rarer_and_late_failures_do_not_count() -> None:
    circuit = failed(Circuit(), OPENS_AFTER + 50)
    assert circuit.wait_seconds(0.0) == 5.0
    for now, wait in ((5.0, 10.0), (15.0, 20.0), (35.0, 40.0), (75.0, 60.0), (135.0, 60.0)):
        circuit.failed("HTTP 500", now, is_trial=True)
        assert circuit.wait_seconds(now) == wait
    assert circuit.detail == "HTTP 503", "the failure that opened it, so that the status is not rewritten"
