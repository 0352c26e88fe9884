"""Ways to break the promise about budgets that people are tempted by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubechain.api.budget import BudgetAddition, BudgetRequest
from kubechain.api.humanrequest import Decision
from kubechain.controllers import requesting
from kubechain.controllers.taskrun import budgets, overruns
from kubechain.controllers.taskrun.budgets import Use
from kubechain.controllers.taskrun.observe import Observed
from test.simulation.approval_mutants import asks_for_by_name
from test.simulation.mutant import Mutant

_sum = budgets.sum_of_added


def _twice(added: Iterable[BudgetAddition], field: Any) -> int:
    """What was added counts for the run, and again for its tree."""
    return 2 * _sum(added, field)


_judged = overruns.judged


def _judged_without_digest(observed: Observed, use: Use, asked: BudgetRequest, decision: Decision) -> Any:
    """Whatever the person saw."""
    return _judged(observed, use, asked, decision.with_changes(digest=asked.digest))


def _nothing(*_: object) -> None:
    """Nothing keeps a run from its next turn."""


ALL = (
    Mutant("budget-counted-twice", ((budgets, "sum_of_added", _twice),), "budget-added-twice"),
    Mutant(
        "budget-without-digest",
        (
            (overruns, "asks_for", asks_for_by_name),
            (requesting, "asks_for", asks_for_by_name),
            (overruns, "judged", _judged_without_digest),
        ),
        "budget-forged",
    ),
    Mutant("budget-no-gate", ((overruns, "gate", _nothing),), "budget-rejected"),
)
