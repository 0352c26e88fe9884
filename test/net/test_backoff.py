"""Delays grow to a maximum and spread."""

from __future__ import annotations

import pytest

from kubechain.net.backoff import ADDED_JITTER, EQUAL_JITTER, FULL_JITTER, Backoff


@pytest.mark.parametrize(
    ("backoff", "attempt", "random", "seconds"),
    [
        pytest.param(Backoff(1, 30), 0, 0.0, 1, id="the first delay is the initial one"),
        pytest.param(Backoff(1, 30), 3, 0.0, 8, id="each attempt doubles it"),
        pytest.param(Backoff(1, 30, factor=1.5), 2, 0.0, 2.25, id="another factor"),
        pytest.param(Backoff(1, 30), 5, 0.0, 30, id="the maximum bounds it"),
        pytest.param(Backoff(1, 30), 10**9, 0.0, 30, id="any number of attempts is computed"),
        pytest.param(Backoff(1, 30), -1, 0.0, 1, id="a negative attempt counts as the first"),
        pytest.param(Backoff(1, 30), 2, 0.7, 4, id="without jitter chance changes nothing"),
        pytest.param(Backoff(1, 30, jitter=FULL_JITTER), 2, 0.0, 0, id="full jitter begins at nothing"),
        pytest.param(Backoff(1, 30, jitter=FULL_JITTER), 2, 1.0, 4, id="full jitter ends at the delay"),
        pytest.param(Backoff(1, 30, jitter=EQUAL_JITTER), 2, 0.0, 2, id="equal jitter begins at half the delay"),
        pytest.param(Backoff(1, 30, jitter=EQUAL_JITTER), 2, 0.5, 3, id="equal jitter is even"),
        pytest.param(Backoff(1, 30, jitter=ADDED_JITTER), 9, 1.0, 60, id="added jitter comes on top of the maximum"),
    ],
)
def test_a_delay(backoff: Backoff, attempt: int, random: float, seconds: float) -> None:
    assert backoff.seconds(attempt, random) == pytest.approx(seconds)
