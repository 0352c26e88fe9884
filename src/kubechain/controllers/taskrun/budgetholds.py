"""Decides whether the Budgets of the namespace let a run call its model. Pure."""

from __future__ import annotations

from kubechain.api import names, reasons
from kubechain.api.llm import LLM
from kubechain.api.namespacebudget import OnSpent
from kubechain.controllers.frame import soonest
from kubechain.controllers.taskrun.observe import Observed
from kubechain.controllers.taskrun.steps import Fail, HoldForBudgets, Wait
from kubechain.llm import prices


def gate(observed: Observed, llm: LLM) -> Wait | Fail | HoldForBudgets | None:
    """What keeps a run from its next call; None where nothing does. Calls in flight are not stopped.

    Budgets that ask people are left to `overdrafts`, which comes before.

    Args:
        observed: The run, with the Budgets that bind it.
        llm: That would be called.
    """
    spent = [use for use in observed.namespace_budgets if use.is_spent]
    for use in spent:
        if use.budget.spec.on_exceeded == OnSpent.FAIL:
            return Fail(reasons.BUDGET_SPENT, use.end_text)
    waiting = [use for use in spent if use.budget.spec.on_exceeded == OnSpent.WAIT]
    if waiting:
        resets = (use.period.resets_at for use in waiting)
        left = soonest(*((moment - observed.now).total_seconds() if moment else None for moment in resets))
        return Wait(f"Waiting: {waiting[0].end_text}", left, budget=waiting[0].name)
    return unpriced(observed, llm) or hold(observed)


def unpriced(observed: Observed, llm: LLM) -> Wait | None:
    """A limit of cost that cannot hold, since nobody knows what the model costs."""
    limiting = next((use for use in observed.namespace_budgets if use.budget.spec.max_cost is not None), None)
    if limiting is None or prices.has_price(llm):
        return None
    text = f'Waiting: maxCost of Budget "{limiting.name}" cannot hold, since no price is known for LLM'
    return Wait(f'{text} "{llm.metadata.name}": set its prices', is_broken=True, budget=limiting.name)


def hold(observed: Observed) -> HoldForBudgets | None:
    """A run that a Budget counts is deleted only once that has recorded what it spent."""
    is_held = names.BUDGET_FINALIZER in observed.run.metadata.finalizers
    return HoldForBudgets() if observed.namespace_budgets and not is_held else None
