"""The simulation's own test: each way to break the promise that people are tempted by must be caught.

Run by ``python -m test.simulation mutants``, as a part of ``make test-simulation``.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any
from unittest import mock

from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers.frame import Settled, next_version
from kubechain.controllers.taskrun import reconciler as runs
from kubechain.controllers.toolcall import reconciler as calls
from kubechain.runtime.client import Client
from kubechain.runtime.resource import Resource
from test.simulation.explore import Case, Failure, examine, plans_of
from test.simulation.plans import REFERENCE
from test.simulation.scenarios import BY_NAME
from test.simulation.simulation import simulate


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken variant of the code.

    Attributes:
        patches: What is replaced, by what.
        scenarios: Where it is looked for.
    """

    name: str
    patches: tuple[tuple[Any, str, Any], ...]
    scenarios: tuple[str, ...]

    def applied(self) -> AbstractContextManager[ExitStack]:
        """The code as this mutant has it, while the context lasts."""
        stack = ExitStack()
        for owner, attribute, replacement in self.patches:
            stack.enter_context(mock.patch.object(owner, attribute, replacement))
        return stack


async def _claim_nothing(
    self: calls.ToolCallReconciler, call: TaskRunToolCall, settled: Settled, execution: object
) -> TaskRunToolCall:
    """Execute, then record."""
    del self, execution
    return next_version(call, settled)


_update_status = Client.update_status


async def _overwrite(self: Client, resource: Resource[Any], obj: Any) -> Any:
    """GET the latest, then put our status over it."""
    latest = await self.get(resource, obj.metadata.namespace, obj.metadata.name)
    return await _update_status(self, resource, latest.model_copy(update={"status": obj.status}))


def _always(current: object, claim: object) -> bool:
    """No look at the token."""
    del current, claim
    return True


ALL = (
    Mutant("no-claim", ((calls.ToolCallReconciler, "_claim", _claim_nothing),), ("one-tool-call",)),
    Mutant("overwrite", ((Client, "update_status", _overwrite),), ("rivals-tool", "rivals")),
    Mutant(
        "no-token-check",
        ((calls, "holds", _always), (runs, "holds", _always)),
        ("rivals", "rivals-tool"),
    ),
)


def catch(mutant: Mutant, *, seeds: range) -> tuple[Failure | None, int]:
    """Look for a plan that shows that the mutant is broken; returns it, and how many plans it took."""
    tried = 0
    for seed in seeds:
        for name in mutant.scenarios:
            reference = simulate(BY_NAME[name], REFERENCE, seed)
            for plan in (REFERENCE, *plans_of(BY_NAME[name], reference, stride=5)):
                tried += 1
                with mutant.applied():
                    failure = examine(Case(name, plan, seed), reference)
                if failure is not None:
                    return failure, tried
    return None, tried
