"""What a run spends, in all and by the day on which the call of the model began. Pure."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

from kubechain.api.taskrun import TaskRun
from kubechain.api.usage import COUNT_LIMIT, DAYS_LIMIT, DayUsage, Usage, added, dollars


def counted(run: TaskRun, usage: Usage) -> dict[str, Any]:
    """The status fields that count a call, in one write with its outcome: it counts as often as it is recorded, once.

    The call counts on the day on which it was claimed, when the Budgets allowed it.
    """
    in_all = {"usage": added(run.status.usage, usage)}
    claim = run.status.llm
    if claim is None:
        return in_all
    day = claim.started_at.astimezone(UTC).date().isoformat()
    return {**in_all, "usage_by_day": _by_day(run.status.usage_by_day, day, usage)}


def _by_day(before: tuple[DayUsage, ...], day: str, usage: Usage) -> tuple[DayUsage, ...]:
    known = next((one for one in before if one.day == day), DayUsage(day=day))
    tokens = min(known.tokens + usage.total_tokens, COUNT_LIMIT)
    costs = [Decimal(cost) for cost in (known.cost, usage.cost) if cost is not None]
    cost = {"cost": dollars(sum(costs, Decimal()))} if costs else {}
    others = [one for one in before if one.day != day]
    return tuple(sorted((*others, DayUsage(day=day, tokens=tokens, **cost)), key=lambda one: one.day))[-DAYS_LIMIT:]
