"""When a Budget's status is written: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kubechain.api.conditions import LIMIT_NEAR, LIMIT_REACHED, is_true
from kubechain.controllers.budget.observe import Observed
from kubechain.controllers.frame import Done

TOLD_EVERY_SECONDS = 10.0
"""Between two writes that only say that more is spent: each turn of each run spends."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Say what is spent."""


def decide(observed: Observed) -> Tell | Done:
    """Say at once what people or runs wait for, and everything else not too often."""
    status = observed.budget.status
    if _has_news(observed) or status.used_at is None:
        return Tell()
    left = (status.used_at + timedelta(seconds=TOLD_EVERY_SECONDS) - observed.now).total_seconds()
    is_old = status.used != observed.use.spent.wire
    return Done(left) if is_old and left > 0 else Tell()


def _has_news(observed: Observed) -> bool:
    status, use = observed.budget.status, observed.use
    return (
        status.observed_generation != observed.budget.metadata.generation
        or status.period_start != use.period.starts_at
        or status.ending_runs != observed.ending
        or is_true(status.conditions, LIMIT_REACHED) != use.is_spent
        or is_true(status.conditions, LIMIT_NEAR) != use.is_near
    )
