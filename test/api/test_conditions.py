"""Conditions move their time only when their status changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kubechain.api.conditions import READY, condition_status, confirmed, find_condition, is_true, with_condition
from kubechain.api.meta import Condition

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


def ready(status: bool | None, *, now: datetime, message: str = "m", generation: int = 1) -> tuple[Condition, ...]:
    return with_condition(
        (), READY, status=status, reason="Because", message=message, observed_generation=generation, now=now
    )


def test_the_same_state_later_gives_an_equal_result() -> None:
    first = ready(True, now=NOON)
    again = with_condition(first, READY, status=True, reason="Because", message="m", observed_generation=1, now=LATER)
    assert again == first


def test_a_new_message_does_not_move_the_time() -> None:
    changed = with_condition(
        ready(True, now=NOON), READY, status=True, reason="Because", message="other", observed_generation=2, now=LATER
    )
    assert changed[0].message == "other"
    assert changed[0].last_transition_time == NOON


def test_a_new_status_moves_the_time() -> None:
    changed = with_condition(
        ready(True, now=NOON), READY, status=False, reason="Broken", message="m", observed_generation=1, now=LATER
    )
    assert changed[0].last_transition_time == LATER


def test_other_conditions_stay_where_they_are() -> None:
    mine = with_condition(
        ready(True, now=NOON), "Mine", status=None, reason="New", message="", observed_generation=1, now=NOON
    )
    changed = with_condition(mine, READY, status=False, reason="Broken", message="", observed_generation=1, now=LATER)
    assert [condition.type for condition in changed] == [READY, "Mine"]
    assert changed[1] == mine[1]


def test_a_condition_that_is_not_there_is_not_true() -> None:
    assert find_condition((), READY) is None
    assert not is_true((), READY)
    assert not is_true(ready(None, now=NOON), READY)
    assert is_true(ready(True, now=NOON), READY)


@pytest.mark.parametrize(("value", "wire"), [(True, "True"), (False, "False"), (None, "Unknown")])
def test_a_claim_on_the_wire(value: bool | None, wire: str) -> None:
    assert condition_status(value) == wire


def test_confirmed_conditions_are_of_the_generation_and_else_as_they_were() -> None:
    [old] = ready(True, now=NOON)
    [new] = confirmed((old,), 3)
    assert new == old.with_changes(observed_generation=3)
    assert confirmed((new,), 3) == (new,)
