"""Registers the control loop of Budgets, and the one that lets deleted runs go."""

from __future__ import annotations

from collections.abc import Iterable

from kubechain.api import reasons
from kubechain.api.namespacebudget import Budget
from kubechain.api.taskrun import TaskRun
from kubechain.controllers import resources
from kubechain.controllers.budget.observe import ENDING_BY_NAMESPACE, Observer, ending_by_namespace
from kubechain.controllers.budget.reconciler import BudgetReconciler
from kubechain.controllers.budget.release import RunReleaser
from kubechain.controllers.parts import Parts
from kubechain.runtime.controller import controller
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager


def setup(manager: Manager, parts: Parts) -> None:
    """Follow Budgets and what runs spend."""
    budgets, runs, book = manager.lister(resources.BUDGETS), manager.lister(resources.TASK_RUNS), parts.budget_book
    manager.add_index(resources.TASK_RUNS, ENDING_BY_NAMESPACE, ending_by_namespace)

    def for_run(run: TaskRun) -> Iterable[Request]:
        pinned, namespace = run.status.pinned, run.metadata.namespace
        found = book.for_agent(namespace, pinned.agent_name) if pinned is not None else ()
        return [Request(namespace, budget.metadata.name) for budget in found]

    def for_budget(budget: Budget) -> Iterable[Request]:
        ending = runs.by_index(ENDING_BY_NAMESPACE, budget.metadata.namespace)
        return [Request(run.metadata.namespace, run.metadata.name) for run in ending]

    (
        controller(manager, "budget")
        .for_(resources.BUDGETS)
        .watches(resources.TASK_RUNS, map=for_run)
        .complete(
            BudgetReconciler(
                budgets=budgets,
                observer=Observer(runs, book, manager.clock),
                writer=parts.writer(resources.BUDGETS, reasons.BUDGET_CONTROLLER),
            )
        )
    )
    (
        controller(manager, "budgetrelease")
        .for_(resources.TASK_RUNS)
        .watches(resources.BUDGETS, map=for_budget)
        .complete(
            RunReleaser(
                runs=runs,
                book=book,
                writer=parts.writer(resources.TASK_RUNS, reasons.BUDGET_CONTROLLER),
                clock=manager.clock,
            )
        )
    )
