"""Lets go a run that is being deleted, once every Budget that counts it has recorded what it spent."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api import names
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.budget.observe import is_ending
from kubechain.controllers.frame import StatusWriter
from kubechain.controllers.ledger import spent_by
from kubechain.controllers.namespacebudgets import BudgetBook, recorded
from kubechain.controllers.periods import period_at
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class RunReleaser:
    """Removes the finalizer. The removal is conditional on the version of the run whose spending is recorded."""

    runs: Lister[TaskRun]
    book: BudgetBook
    writer: StatusWriter[TaskRun]
    clock: Clock

    async def reconcile(self, request: Request) -> Result:
        """Let one run go, or wait for the Budgets."""
        run = self.runs.get(request.namespace, request.name)
        if run is not None and is_ending(run) and self.may_go(run):
            await self.writer.drop_finalizer(run, names.BUDGET_FINALIZER)
        return Result()

    def may_go(self, run: TaskRun) -> bool:
        """Whether each Budget has recorded what the run spent, as the cache has both."""
        pinned, now = run.status.pinned, self.clock.now()
        if pinned is None:
            return True
        for budget in self.book.for_agent(run.metadata.namespace, pinned.agent_name):
            period = period_at(budget.spec.period, now)
            if recorded(budget, period, run.metadata.uid) != spent_by(run, period).wire:
                return False
        return True
