"""A Budget, what its runs have spent, and those of them that are being deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from kubechain.api import names
from kubechain.api.namespacebudget import ENDING_RUNS_LIMIT, Budget, EndingRun
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.ledger import Amount, is_meant, spent_by
from kubechain.controllers.namespacebudgets import BudgetBook, BudgetUse, agents_of
from kubechain.controllers.periods import Period
from kubechain.runtime.clock import Clock
from kubechain.runtime.store import Lister

ENDING_BY_NAMESPACE = "ending-by-namespace"


def ending_by_namespace(run: TaskRun) -> list[str]:
    """Runs that are being deleted and wait for the Budgets that count them."""
    return [run.metadata.namespace] if is_ending(run) else []


def is_ending(run: TaskRun) -> bool:
    """Whether a run is being deleted and waits for the Budgets that count it."""
    return run.metadata.deletion_timestamp is not None and names.BUDGET_FINALIZER in run.metadata.finalizers


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about a Budget depends on.

    Attributes:
        use: The Budget, and what is spent of it.
        gone: The part of it that was spent by runs that do not exist any more.
        ending: The runs that are being deleted.
    """

    use: BudgetUse
    gone: Amount
    ending: tuple[EndingRun, ...]
    now: datetime

    @property
    def budget(self) -> Budget:
        """The Budget."""
        return self.use.budget


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads what a decision needs from the caches."""

    runs: Lister[TaskRun]
    book: BudgetBook
    clock: Clock

    def observe(self, budget: Budget) -> Observed:
        """Read everything, change nothing."""
        use = self.book.use(budget)
        ending = sorted(self._ending(budget, use.period), key=lambda run: run.uid)[:ENDING_RUNS_LIMIT]
        return Observed(use, self.book.gone(budget, use.period), tuple(ending), self.clock.now())

    def _ending(self, budget: Budget, period: Period) -> Iterable[EndingRun]:
        for run in self.runs.by_index(ENDING_BY_NAMESPACE, budget.metadata.namespace):
            if run.status.pinned is not None and is_meant(agents_of(budget), run.status.pinned.agent_name):
                spent = spent_by(run, period).wire
                yield EndingRun(uid=run.metadata.uid, name=run.metadata.name, spent=spent)
