"""Every form in which servers say how long to wait."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain.net.retry_after import MAX_RETRY_AFTER_SECONDS, header_seconds, retry_after_seconds, used_up_seconds

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EPOCH = NOW.timestamp()


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        pytest.param({}, None, id="nothing was said"),
        pytest.param({"retry-after": "7"}, 7, id="seconds"),
        pytest.param({"retry-after": " 7.5 "}, 7.5, id="seconds with a fraction and spaces"),
        pytest.param({"retry-after": "0"}, 0, id="at once"),
        pytest.param({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, 30, id="an HTTP date"),
        pytest.param({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0, id="an HTTP date that has passed"),
        pytest.param({"retry-after-ms": "250"}, 0.25, id="milliseconds"),
        pytest.param({"retry-after-ms": "250", "retry-after": "1"}, 0.25, id="the more exact of two forms"),
        pytest.param({"retry-after-ms": "soon", "retry-after": "1"}, 1, id="the form that can be read"),
        pytest.param({"x-ratelimit-reset-requests": "6m0s"}, 360, id="a Go duration"),
        pytest.param({"x-ratelimit-reset-tokens": "20ms"}, 0.02, id="a Go duration in milliseconds"),
        pytest.param(
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "10",
                "x-ratelimit-reset-tokens": "2m",
                "x-ratelimit-remaining-tokens": "0",
            },
            120,
            id="the reset of the budget that is used up",
        ),
        pytest.param(
            {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "2m"},
            1,
            id="the first reset when no budget is known to be used up",
        ),
        pytest.param({"x-ratelimit-reset": str(EPOCH + 9)}, 9, id="a point in time in epoch seconds"),
        pytest.param({"x-ratelimit-reset": str(int((EPOCH + 9) * 1000))}, 9, id="epoch milliseconds"),
        pytest.param({"ratelimit-reset": "12"}, 12, id="the draft standard's header"),
        pytest.param({"anthropic-ratelimit-tokens-reset": "2026-11-22T12:01:00Z"}, 60, id="an RFC 3339 time"),
        pytest.param({"retry-after": "999999999"}, MAX_RETRY_AFTER_SECONDS, id="a wait beyond reason"),
        *(
            pytest.param({"retry-after": bad}, None, id=f"garbage: {bad!r}")
            for bad in ("", "soon", "-5", "nan", "inf", "1e400", "0x10", "٣", "9" * 400, "Sun, 99 Nov 2026")
        ),
    ],
)
def test_wait_is_read_from_headers(headers: dict[str, str], wait: float | None) -> None:
    assert retry_after_seconds(headers, now=NOW) == (None if wait is None else pytest.approx(wait))


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        pytest.param("3", 3, id="seconds"),
        pytest.param("Sun, 22 Nov 2026 12:00:30 GMT", 30, id="a date"),
        pytest.param("99999999", MAX_RETRY_AFTER_SECONDS, id="a wait beyond reason"),
        pytest.param("6m0s", None, id="a form of other headers"),
        pytest.param(None, None, id="no header"),
    ],
)
def test_the_header_alone_is_read_as_in_the_standard(value: str | None, wait: float | None) -> None:
    assert header_seconds(value, now=NOW) == wait


OPENAI = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-tokens": "6m0s",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-11-22T12:00:02Z",
    "anthropic-ratelimit-input-tokens-remaining": "0",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-22T12:00:17Z",
}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="no headers"),
        pytest.param(OPENAI, 1, id="OpenAI: no request is left"),
        pytest.param(OPENAI | {"x-ratelimit-remaining-tokens": "0"}, 360, id="OpenAI: no token is left either"),
        pytest.param(OPENAI | {"x-ratelimit-remaining-requests": "1"}, None, id="OpenAI: something is left"),
        pytest.param(ANTHROPIC, 17, id="Anthropic: no input token is left"),
        pytest.param(
            ANTHROPIC | {"anthropic-ratelimit-input-tokens-remaining": "8000"}, None, id="Anthropic: something is left"
        ),
        pytest.param({"ratelimit-remaining": "0", "ratelimit-reset": "12"}, 12, id="the draft standard's headers"),
        pytest.param({"x-ratelimit-remaining-requests": "0"}, None, id="nothing says when it resets"),
        pytest.param(OPENAI | {"x-ratelimit-reset-requests": "soon"}, None, id="a reset that cannot be read"),
        pytest.param(OPENAI | {"x-ratelimit-remaining-requests": "-1"}, None, id="a number that means no limit"),
        pytest.param({"retry-after": "30"}, None, id="Retry-After of an answer means nothing"),
        pytest.param(
            ANTHROPIC | {"anthropic-ratelimit-input-tokens-reset": "2026-11-22T11:00:00Z"}, 0, id="it has reset already"
        ),
    ],
)
def test_an_answer_says_for_how_long_nothing_is_left(headers: dict[str, str], seconds: float | None) -> None:
    assert used_up_seconds(headers, now=NOW) == seconds


@given(st.dictionaries(st.sampled_from([*OPENAI, *ANTHROPIC, "ratelimit-reset", "ratelimit-remaining"]), st.text()))
def test_no_form_of_these_headers_raises_or_holds_for_longer_than_a_day(headers: dict[str, str]) -> None:
    assert 0 <= (used_up_seconds(headers, now=NOW) or 0.0) <= MAX_RETRY_AFTER_SECONDS


@pytest.mark.parametrize("prefix", ["x-ratelimit-", "anthropic-ratelimit-", "ratelimit-"])
@pytest.mark.parametrize("budget", ["requests", "tokens", "input-tokens", "output-tokens"])
def test_each_limit_is_read_in_both_orders_of_words(prefix: str, budget: str) -> None:
    ours = {f"{prefix}reset-{budget}": "7s", f"{prefix}remaining-{budget}": "0"}
    theirs = {f"{prefix}{budget}-reset": "7s", f"{prefix}{budget}-remaining": "0"}
    assert [used_up_seconds(one, now=NOW) for one in (ours, theirs)] == [7.0, 7.0]
    assert used_up_seconds({f"{prefix}reset": "7s", f"{prefix}remaining": "0"}, now=NOW) == 7.0
