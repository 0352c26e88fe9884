"""Whether an ApprovalPolicy can be applied: pure."""

from __future__ import annotations

from kubechain.api.approvalpolicy import ApprovalPolicy
from kubechain.controllers.validation import Accept, Refuse, Step
from kubechain.tools.arguments import check_schema
from kubechain.tools.model import InvalidSchema


def decide(policy: ApprovalPolicy) -> Step:
    """The next step for one policy."""
    if policy.spec.arguments is None:
        return Accept()
    try:
        check_schema(policy.spec.arguments)
    except InvalidSchema as error:
        text = str(error).removeprefix("parameters: ")
        return Refuse(f"spec.arguments: {text}; until it is repaired, the policy is about calls with any arguments")
    return Accept()
