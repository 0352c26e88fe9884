"""ApprovalPolicy's control loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kubechain.api.approvalpolicy import ApprovalPolicy
from kubechain.controllers import frame
from kubechain.controllers.approvalpolicy.decide import decide
from kubechain.controllers.approvalpolicy.settle import settle
from kubechain.controllers.frame import Done, StatusWriter
from kubechain.controllers.validation import Step
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class ApprovalPolicyReconciler:
    """Keeps the status of every policy up to date; it decides nothing about calls."""

    policies: Lister[ApprovalPolicy]
    writer: StatusWriter[ApprovalPolicy]
    clock: Clock

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type, ...]] = ()

    async def reconcile(self, request: Request) -> Result:
        """Bring the status of one policy up to date."""
        return await frame.reconcile(self, self.policies, request)

    async def observe(self, obj: ApprovalPolicy) -> ApprovalPolicy:
        """The policy: it depends on nothing else."""
        return obj

    def decide(self, observed: ApprovalPolicy) -> Step:
        """Whether the policy can be applied."""
        return decide(observed)

    async def carry_out(self, observed: ApprovalPolicy, step: Step) -> Done:
        """Write what was decided."""
        return await self.writer.finish(observed, settle(observed, step, self.clock.now()))

    def refused(self, observed: ApprovalPolicy, refusal: WriteRefused) -> None:
        """Nothing: only the status is written, and it cannot say that it is refused."""
        del observed, refusal

    async def forget(self, request: Request) -> None:
        """Nothing: this process holds nothing for a policy."""
        del request
