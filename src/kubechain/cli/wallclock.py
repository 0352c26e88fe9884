"""The time that ages, expiries and durations are counted to: one place, so that tests can fix it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The time on this machine, aware, in UTC."""
    return datetime.now(UTC)
