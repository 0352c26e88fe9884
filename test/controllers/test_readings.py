"""How long a reading by name counts, and when what cannot be used is looked at again."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from kubechain.controllers.readings import FRESH_SECONDS, LOOK_AGAIN_MAX_SECONDS, READINGS_MAX, Readings
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.keys import Request

KEY = Request("ns", "s")


def held(version: str | None = "1") -> Readings[str]:
    readings: Readings[str] = Readings(LoopClock())
    readings.keep(KEY, "value", version)
    return readings


@pytest.mark.parametrize(
    ("age", "is_unusable", "counts"),
    [
        pytest.param(FRESH_SECONDS - 1, False, True, id="what can be used counts for a minute"),
        pytest.param(FRESH_SECONDS, False, False, id="and no longer"),
        pytest.param(0.5, True, True, id="what cannot be used counts for a moment"),
        pytest.param(1.0, True, False, id="and is due a second after it was read first"),
    ],
)
async def test_a_reading_counts_for_a_while(age: float, is_unusable: bool, counts: bool) -> None:
    readings = held()
    await asyncio.sleep(age)
    assert (readings.fresh(KEY, is_unusable=is_unusable) is not None) is counts


async def test_who_waits_looks_again_ever_more_seldom_and_at_last_once_a_minute() -> None:
    readings, pauses = held(None), list[float]()
    for _ in range(12):
        pauses.append(readings.look_again_seconds(KEY))
        await asyncio.sleep(pauses[-1])
        readings.keep(KEY, "value", None)
    assert pauses[:4] == [1.0, 1.0, 2.0, 4.0]
    assert all(before <= after for before, after in pairwise(pauses))
    assert pauses[-1] == LOOK_AGAIN_MAX_SECONDS


async def test_another_version_is_news_and_is_looked_at_often_again() -> None:
    readings = held(None)
    await asyncio.sleep(500)
    assert not readings.keep(KEY, "value", None)
    assert readings.keep(KEY, "value", "2")
    assert readings.look_again_seconds(KEY) == 1.0


async def test_the_first_reading_is_no_news() -> None:
    assert not Readings[str](LoopClock()).keep(KEY, "value", "1")


@pytest.mark.parametrize(
    ("age", "is_read_again"),
    [pytest.param(0.5, False, id="a reading of just now"), pytest.param(2.0, True, id="an older one")],
)
async def test_a_doubt_has_what_is_older_read_again(age: float, is_read_again: bool) -> None:
    readings = held()
    await asyncio.sleep(age)
    assert readings.doubt(KEY, older_than_seconds=1.0) is is_read_again
    assert (readings.fresh(KEY) is None) is is_read_again


async def test_the_readings_that_nobody_uses_go_first() -> None:
    readings = held()
    for number in range(READINGS_MAX - 1):
        readings.keep(Request("ns", f"s{number}"), "value", "1")
    assert readings.fresh(KEY) is not None
    readings.keep(Request("ns", "one-more"), "value", "1")
    assert readings.get(KEY) is not None
    assert readings.get(Request("ns", "s0")) is None
