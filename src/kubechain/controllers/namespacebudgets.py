"""The Budgets of a namespace: how much of each is spent, and which of them bind a run.

Used by the loops of Budgets and TaskRuns, which thereby count the same. Reads the caches only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from kubechain.api.globs import Glob
from kubechain.api.meta import time_text
from kubechain.api.namespacebudget import Budget, EndingRun, Spent
from kubechain.api.usage import dollars
from kubechain.controllers.ledger import Amount, Ledger, is_meant
from kubechain.controllers.periods import Period, period_at
from kubechain.runtime.clock import Clock
from kubechain.runtime.store import Lister

NEAR_PERCENT = 80
"""Share of a Budget from which on it warns."""


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """A Budget, and what of it is spent.

    Attributes:
        spent: In this period, by the runs that exist and by those that are deleted.
    """

    budget: Budget
    period: Period
    spent: Amount

    @property
    def name(self) -> str:
        """Its name."""
        return self.budget.metadata.name

    @property
    def is_spent(self) -> bool:
        """Whether no further model call may begin."""
        return self._has_reached(100)

    @property
    def is_near(self) -> bool:
        """Whether most of it is spent."""
        return self._has_reached(NEAR_PERCENT)

    def _has_reached(self, percent: int) -> bool:
        tokens, cost = self.budget.spec.max_tokens, self.budget.spec.max_cost
        of_tokens = tokens is not None and self.spent.tokens * 100 >= tokens * percent
        return of_tokens or (cost is not None and self.spent.cost * 100 >= Decimal(cost) * percent)

    @property
    def limit_text(self) -> str:
        """What may be spent, in words."""
        tokens, cost = self.budget.spec.max_tokens, self.budget.spec.max_cost
        return " and ".join(
            (*([f"{tokens} tokens"] if tokens is not None else ()), *([f"${cost}"] if cost is not None else ()))
        )

    @property
    def spent_text(self) -> str:
        """What is spent, in words."""
        return self._in_words(self.spent)

    @property
    def left_text(self) -> str:
        """What is left, in words."""
        tokens, cost = self.budget.spec.max_tokens or 0, Decimal(self.budget.spec.max_cost or 0)
        left = Amount(tokens, cost) - self.spent
        return self._in_words(Amount(max(left.tokens, 0), max(left.cost, Decimal())))

    def _in_words(self, amount: Amount) -> str:
        spec = self.budget.spec
        tokens = [f"{amount.tokens} tokens"] if spec.max_tokens is not None else []
        return " and ".join((*tokens, *([f"${dollars(amount.cost)}"] if spec.max_cost is not None else ())))

    @property
    def end_text(self) -> str:
        """That it is spent, and what helps, in words that stay the same while it lasts."""
        resets_at, period = self.period.resets_at, self.budget.spec.period
        what = f'Budget "{self.name}" is spent: {self.limit_text}' + (f" a {str(period).lower()}" if period else "")
        until = f"the next {str(period).lower()} begins at {time_text(resets_at)}; " if resets_at and period else ""
        return f"{what}; {until}a raised maxTokens or maxCost lets runs go on at once"


@dataclass(frozen=True, slots=True)
class BudgetBook:
    """Reads how much of each Budget is spent."""

    budgets: Lister[Budget]
    ledger: Ledger
    clock: Clock

    def use(self, budget: Budget) -> BudgetUse:
        """How much of a Budget is spent now."""
        period = period_at(budget.spec.period, self.clock.now())
        spent = self.ledger.spent(budget.metadata.namespace, agents_of(budget), period)
        return BudgetUse(budget, period, spent + self.gone(budget, period))

    def gone(self, budget: Budget, period: Period) -> Amount:
        """What runs have spent in the period that do not exist any more."""
        if budget.status.period_start != period.starts_at:
            return Amount()
        ended = (Amount.of(run.spent) for run in budget.status.ending_runs if not self.ledger.has(run.uid))
        return sum(ended, Amount.of(budget.status.deleted_runs))

    def binding(self, namespace: str, agent: str) -> tuple[BudgetUse, ...]:
        """The Budgets that bind the runs of an agent."""
        return tuple(self.use(budget) for budget in self.for_agent(namespace, agent))

    def for_agent(self, namespace: str, agent: str) -> Iterator[Budget]:
        """The Budgets that count the runs of an agent."""
        for budget in self.budgets.list(namespace):
            if budget.metadata.deletion_timestamp is None and is_meant(agents_of(budget), agent):
                yield budget


def agents_of(budget: Budget) -> tuple[Glob, ...]:
    """Patterns of the names of the agents that a Budget means; none for all."""
    return budget.spec.selector.agents if budget.spec.selector else ()


def recorded(budget: Budget, period: Period, uid: str) -> Spent | None:
    """What a Budget has recorded in the period of a run that is being deleted; None where it has not."""
    if budget.status.period_start != period.starts_at:
        return None
    found: EndingRun | None = next((run for run in budget.status.ending_runs if run.uid == uid), None)
    return found.spent if found is not None else None
