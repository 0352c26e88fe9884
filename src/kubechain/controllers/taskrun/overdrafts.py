"""Whether a run may spend beyond a spent Budget of its namespace that asks people: as far as they let it. Pure.

What a person adds is for the one run that asked, in the period in which it asked, and counts from what that run itself
had spent then: other runs use up nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from kubechain.api import reasons
from kubechain.api.budget import BudgetAddition, BudgetRequest, SpentBudget
from kubechain.api.namespacebudget import OnSpent
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.ledger import Amount, spent_by
from kubechain.controllers.namespacebudgets import BudgetUse
from kubechain.controllers.taskrun.budgets import Use, micro
from kubechain.controllers.taskrun.observe import Observed

BudgetField = Literal["maxTokens", "maxCost"]


@dataclass(frozen=True, slots=True)
class Overdraft:
    """A limit of a Budget that is spent, and that the run may not exceed any further.

    Attributes:
        own: What the Budget allows; cost in millionths of a dollar.
        spent: By all its runs in the period, in the same unit.
        run_spent: What the run itself has spent in the period.
    """

    use: BudgetUse
    field: BudgetField
    own: int
    spent: int
    run_spent: Amount

    is_own = True
    """The run asks for itself, and so do those below it."""

    may_be_added_to = True

    end_reason = reasons.BUDGET_SPENT

    @property
    def budget_name(self) -> str:
        """Name of the Budget."""
        return self.use.name

    @property
    def reached(self) -> str:
        """That the Budget is spent, and what helps."""
        return self.use.end_text

    @property
    def record(self) -> SpentBudget:
        """What the run records of the Budget when it asks."""
        period_start = self.use.period.starts_at
        return SpentBudget(name=self.use.name, period_start=period_start, run_spent=self.run_spent.wire)


Reached = Use | Overdraft
"""A limit that keeps a run from its next turn."""


def reached(observed: Observed) -> Sequence[Overdraft]:
    """The Budgets that a run has to ask people about; none where another one ends the run anyhow."""
    spent = [use for use in observed.namespace_budgets if use.is_spent]
    if any(use.budget.spec.on_exceeded == OnSpent.FAIL for use in spent):
        return ()
    asking = (use for use in spent if use.budget.spec.on_exceeded == OnSpent.ASK)
    return tuple(one for use in asking for one in _limits(observed.run, use) if not _is_allowed(observed.run, one))


def seconds_to_reset(observed: Observed, asked: BudgetRequest) -> float | None:
    """How long until the Budget begins anew that a request is about; None for never."""
    periods = (use.period for use in observed.namespace_budgets if use.name == asked.budget_name)
    resets_at = next((period.resets_at for period in periods), None)
    return None if resets_at is None else (resets_at - observed.now).total_seconds()


def _limits(run: TaskRun, use: BudgetUse) -> Iterator[Overdraft]:
    """The limits of a Budget that are reached."""
    spec, run_spent = use.budget.spec, spent_by(run, use.period)
    if spec.max_tokens is not None and use.spent.tokens >= spec.max_tokens:
        yield Overdraft(use, "maxTokens", spec.max_tokens, use.spent.tokens, run_spent)
    if spec.max_cost is not None and use.spent.cost >= Decimal(spec.max_cost):
        yield Overdraft(use, "maxCost", micro(spec.max_cost), micro(use.spent.cost), run_spent)


def _is_allowed(run: TaskRun, one: Overdraft) -> bool:
    """Whether a person let the run spend more than it has."""
    return any(
        _of(one.run_spent, one.field) < _of(Amount.of(asked.budget.run_spent), one.field) + added_to(one.field, more)
        for asked in run.status.budget_requests
        if asked.budget is not None and (more := asked.added) is not None
        if (asked.budget.name, asked.budget.period_start) == (one.use.name, one.use.period.starts_at)
    )


def _of(amount: Amount, field: BudgetField) -> int:
    return amount.tokens if field == "maxTokens" else micro(amount.cost)


def added_to(field: BudgetField, more: BudgetAddition) -> int:
    """What an addition has of one limit."""
    return (more.tokens or 0) if field == "maxTokens" else micro(more.cost or "0")
