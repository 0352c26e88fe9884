"""What a decision about what a call asks a person depends on, and who reads it."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.approvalpolicy import ApprovalPolicy
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers.authority import DecisionAuthority, Enforcement
from kubechain.controllers.decisions import Judge
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class ApprovalFacts:
    """The policies of the namespace, and the request that asks about the call.

    Attributes:
        policies: All of them, as they are now.
        request: As the cache has it; None where the call asks nobody, or the cache has none.
        enforcement: Whether the API server holds who decides; None while there is no decision to judge.
        requires_verified: Whether only decisions count whose author the API server verified.
    """

    policies: tuple[ApprovalPolicy, ...] = ()
    request: HumanRequest | None = None
    enforcement: Enforcement | None = None
    requires_verified: bool = False

    @property
    def judge(self) -> Judge:
        """What the worth of a decision depends on."""
        return Judge(self.enforcement, self.requires_verified)


@dataclass(frozen=True, slots=True)
class ApprovalReader:
    """Reads what a decision about an approval needs, and changes nothing."""

    requests: Lister[HumanRequest]
    policies: Lister[ApprovalPolicy]
    authority: DecisionAuthority

    async def facts(self, call: TaskRunToolCall) -> ApprovalFacts:
        """Read the policies, the request of the call, and, where that is decided, who holds who may decide."""
        if call.status.completion_time is not None:
            return ApprovalFacts()
        asked = call.status.open_question
        request = self.requests.get(call.metadata.namespace, asked.request_name) if asked is not None else None
        decided = request if request is not None and request.spec.decision is not None else None
        return ApprovalFacts(
            policies=tuple(self.policies.list(call.metadata.namespace)),
            request=request,
            enforcement=await self.authority.enforcement_over(decided) if decided is not None else None,
            requires_verified=self.authority.requires_verified,
        )
