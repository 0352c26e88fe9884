"""When the periods of Budgets begin and end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain.api.namespacebudget import BudgetPeriod
from kubechain.controllers.periods import Period, period_at

MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2080, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("kind", "now", "first", "following"),
    [
        pytest.param("Day", "2026-11-29T23:59:59Z", "2026-11-29", "2026-11-30", id="the last second of a day"),
        pytest.param("Day", "2026-12-31T12:00:00Z", "2026-12-31", "2027-01-01", id="the last day of a year"),
        pytest.param("Week", "2026-11-29T12:00:00Z", "2026-11-23", "2026-11-30", id="a Sunday"),
        pytest.param("Week", "2026-11-30T00:00:00Z", "2026-11-30", "2026-12-07", id="a Monday"),
        pytest.param("Month", "2026-12-31T12:00:00Z", "2026-12-01", "2027-01-01", id="December"),
        pytest.param("Month", "2028-02-29T12:00:00Z", "2028-02-01", "2028-03-01", id="a leap year"),
    ],
)
def test_a_period_is_a_whole_one_of_the_calendar(kind: str, now: str, first: str, following: str) -> None:
    period = period_at(BudgetPeriod(kind), datetime.fromisoformat(now))
    assert period == Period(date.fromisoformat(first), date.fromisoformat(following))


def test_a_day_is_one_of_utc() -> None:
    night = datetime(2026, 11, 30, 1, tzinfo=timezone(timedelta(hours=2)))
    assert period_at(BudgetPeriod.DAY, night).first == date(2026, 11, 29)


@given(MOMENTS, st.sampled_from(list(BudgetPeriod)))
def test_each_moment_belongs_to_its_period_and_the_next_begins_at_its_end(now: datetime, kind: BudgetPeriod) -> None:
    period = period_at(kind, now)
    assert period.starts_at is not None
    assert period.resets_at is not None
    assert period.starts_at <= now < period.resets_at
    assert period.has(now.date().isoformat())
    assert not period.has(period.resets_at.date().isoformat())
    assert period_at(kind, period.resets_at).first == period.following


def test_a_budget_without_a_period_counts_every_day() -> None:
    period = period_at(None, datetime(2026, 11, 29, tzinfo=UTC))
    assert (period.starts_at, period.resets_at, period.has("1999-01-01")) == (None, None, True)
