"""The period of a Budget: when it began, when it ends, which days belong to it. Pure; all in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from kubechain.api.namespacebudget import BudgetPeriod


@dataclass(frozen=True, slots=True)
class Period:
    """One period.

    Attributes:
        first: Its first day; None where the period has no beginning and no end.
        following: The first day of the next one.
    """

    first: date | None = None
    following: date | None = None

    @property
    def starts_at(self) -> datetime | None:
        """When it began; None for none."""
        return _midnight(self.first)

    @property
    def resets_at(self) -> datetime | None:
        """When the next one begins; None for none."""
        return _midnight(self.following)

    def has(self, day: str) -> bool:
        """Whether a day, such as 2026-11-29, belongs to it."""
        if self.first is None or self.following is None:
            return True
        return self.first.isoformat() <= day < self.following.isoformat()


def period_at(kind: BudgetPeriod | None, now: datetime) -> Period:
    """The period that is now."""
    today = now.astimezone(UTC).date()
    match kind:
        case None:
            return Period()
        case BudgetPeriod.DAY:
            return Period(today, today + timedelta(days=1))
        case BudgetPeriod.WEEK:
            monday = today - timedelta(days=today.weekday())
            return Period(monday, monday + timedelta(days=7))
        case BudgetPeriod.MONTH:
            first = today.replace(day=1)
            return Period(first, (first + timedelta(days=31)).replace(day=1))


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)
