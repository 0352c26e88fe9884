"""A Budget's next status: pure."""

from __future__ import annotations

from datetime import datetime

from kubechain.api import conditions, reasons
from kubechain.api.conditions import LIMIT_NEAR, LIMIT_REACHED, READY, Claim, is_true
from kubechain.api.meta import StatusType
from kubechain.controllers.budget.observe import Observed
from kubechain.controllers.frame import Event, Settled, warning
from kubechain.controllers.namespacebudgets import NEAR_PERCENT, BudgetUse


def settle(observed: Observed) -> Settled:
    """The status that says what is spent, with an event at 80 % and one at the end."""
    budget, use, now = observed.budget, observed.use, observed.now
    used, text = use.spent.wire, _text(use)
    status = {
        "ready": True,
        "status": StatusType.READY,
        "status_detail": text,
        "period_start": use.period.starts_at,
        "resets_at": use.period.resets_at,
        "limit": use.limit_text,
        "spent": use.spent_text,
        "left": use.left_text,
        "used": used,
        "used_at": budget.status.used_at if budget.status.used == used and budget.status.used_at else now,
        "deleted_runs": observed.gone.wire,
        "ending_runs": observed.ending,
        "conditions": conditions.with_conditions(
            budget.status.conditions, _claims(use, text), observed_generation=budget.metadata.generation, now=now
        ),
    }
    return Settled(status, _events(use, text), requeue_after_seconds=_seconds_until(use.period.resets_at, now))


def _text(use: BudgetUse) -> str:
    if use.is_spent:
        return use.end_text
    return f"{NEAR_PERCENT} % of {use.limit_text} are spent" if use.is_near else f"{use.limit_text} may be spent"


def _claims(use: BudgetUse, text: str) -> tuple[Claim, ...]:
    reason = reasons.BUDGET_HOLDS
    if use.is_near:
        reason = reasons.BUDGET_SPENT if use.is_spent else reasons.BUDGET_NEARLY_SPENT
    return (
        (READY, True, reason, text),
        (LIMIT_NEAR, use.is_near, reason, text),
        (LIMIT_REACHED, use.is_spent, reason, text),
    )


def _events(use: BudgetUse, text: str) -> tuple[Event, ...]:
    known = use.budget.status.conditions
    if use.is_spent and not is_true(known, LIMIT_REACHED):
        return (warning(reasons.BUDGET_SPENT, text),)
    if use.is_near and not is_true(known, LIMIT_NEAR):
        return (warning(reasons.BUDGET_NEARLY_SPENT, text),)
    return ()


def _seconds_until(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else max((moment - now).total_seconds(), 0.0)
