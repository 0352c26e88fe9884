"""Budget's control loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kubechain.api.namespacebudget import Budget
from kubechain.controllers import frame
from kubechain.controllers.budget.decide import Tell, decide
from kubechain.controllers.budget.observe import Observed, Observer
from kubechain.controllers.budget.settle import settle
from kubechain.controllers.frame import Done, StatusWriter
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class BudgetReconciler:
    """Keeps the status of every Budget up to date; it holds no run."""

    budgets: Lister[Budget]
    observer: Observer
    writer: StatusWriter[Budget]

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type, ...]] = ()

    async def reconcile(self, request: Request) -> Result:
        """Bring the status of one Budget up to date."""
        return await frame.reconcile(self, self.budgets, request)

    async def observe(self, obj: Budget) -> Observed:
        """What is spent, and which runs are being deleted."""
        return self.observer.observe(obj)

    def decide(self, observed: Observed) -> Tell | Done:
        """Whether to say it now."""
        return decide(observed)

    async def carry_out(self, observed: Observed, step: Tell) -> Done:
        """Write what is spent."""
        del step
        return await self.writer.finish(observed.budget, settle(observed))

    def refused(self, observed: Observed, refusal: WriteRefused) -> None:
        """Nothing: only the status is written, and it cannot say that it is refused."""
        del observed, refusal

    async def forget(self, request: Request) -> None:
        """Nothing: this process holds nothing for a Budget."""
        del request
