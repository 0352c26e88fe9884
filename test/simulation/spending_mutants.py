"""Ways to break the promises about Budgets of a namespace, and about queues, holds and circuits."""

from __future__ import annotations

from typing import Any

from kubechain.controllers.budget.release import RunReleaser
from kubechain.controllers.ledger import Ledger
from kubechain.controllers.taskrun import budgetholds, decide, overdrafts
from kubechain.controllers.taskrun.circuit import Circuit
from kubechain.controllers.taskrun.observe import Observed
from kubechain.controllers.taskrun.pace import Pace
from kubechain.controllers.taskrun.steps import HoldForBudgets
from test.simulation.mutant import Mutant


def _nothing(*_: Any, **__: Any) -> None:
    """Look at no Budget; hold no call; close no circuit."""


def _only_held(observed: Observed, llm: object) -> HoldForBudgets | None:
    """Count the run, and let it call."""
    del llm
    return budgetholds.hold(observed)


def _never(*_: Any) -> bool:
    """No deleted run is let go."""
    return False


def _always(*_: Any) -> bool:
    """A deleted run goes at once."""
    return True


_added_to = overdrafts.added_to


def _without_end(field: Any, more: Any) -> int:
    """Whatever a person added lets the run spend all it wants."""
    return 1_000 * _added_to(field, more)


_count = Ledger._count  # pyright: ignore[reportPrivateUsage]


def _count_again(self: Ledger, key: Any, entry: Any, sign: int) -> None:
    """Count each version of a run, and take none back."""
    if sign > 0:
        _count(self, key, entry, sign)


ALL = (
    Mutant("namespace-budget-no-gate", ((budgetholds, "gate", _only_held),), "namespace-budget"),
    Mutant("namespace-budget-grant-without-end", ((overdrafts, "added_to", _without_end),), "namespace-budget-asks"),
    Mutant("run-counted-with-each-write", ((Ledger, "_count", _count_again),), "namespace-budget"),
    Mutant("deleted-run-let-go-at-once", ((RunReleaser, "may_go", _always),), "namespace-budget-deleted", ("errors",)),
    Mutant("deleted-run-forgotten", ((decide.budgetholds, "hold", _nothing),), "namespace-budget-deleted"),
    Mutant("deleted-run-held", ((RunReleaser, "may_go", _never),), "namespace-budget-deleted"),
    Mutant("retry-after-ignored", ((Pace, "hold", _nothing),), "held"),
    Mutant("circuit-never-closes", ((Circuit, "answered", _nothing),), "circuit"),
)
