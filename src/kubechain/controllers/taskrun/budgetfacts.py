"""What a decision about a run's budget depends on, and who reads it."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.authority import DecisionAuthority
from kubechain.controllers.decisions import Judge
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class BudgetFacts:
    """The request that asks a person to add to a limit.

    Attributes:
        request: As the cache has it; None where the run asks nobody, or the cache has none.
        judge: What the worth of its decision depends on.
    """

    request: HumanRequest | None = None
    judge: Judge = field(default_factory=Judge)


@dataclass(frozen=True, slots=True)
class BudgetReader:
    """Reads what a decision about a budget needs, and changes nothing."""

    requests: Lister[HumanRequest]
    authority: DecisionAuthority

    async def facts(self, run: TaskRun) -> BudgetFacts:
        """Read the open request of the run, and, where that is decided, who holds who may decide."""
        asked = run.status.open_budget_request
        if asked is None or run.status.completion_time is not None:
            return BudgetFacts()
        request = self.requests.get(run.metadata.namespace, asked.request_name)
        decided = request if request is not None and request.spec.decision is not None else None
        enforcement = await self.authority.enforcement_over(decided) if decided is not None else None
        return BudgetFacts(request, Judge(enforcement, self.authority.requires_verified))
