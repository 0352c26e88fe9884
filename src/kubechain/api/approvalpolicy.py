"""ApprovalPolicy: which calls need a person's approval, or are refused, whatever the tool itself says.

Policies only add requirements: who may write Agents and Tools need not be who decides what needs a signature.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from kubechain.api.approval import Expiry
from kubechain.api.globs import Glob
from kubechain.api.meta import UNSEEN, KubeModel, ReadinessStatus, StatusObject
from kubechain.api.schema import Json, Schema, ShortText

_Globs = Annotated[tuple[Glob, ...], Schema(max_items=256)]


class PolicyAction(StrEnum):
    """What happens to a call that a policy is about; the stricter one counts where several apply."""

    REQUIRE = "Require"
    DENY = "Deny"


class ApprovalPolicySpec(KubeModel):
    """Which calls the policy is about, and what happens to them; a call must meet all that is set."""

    agents: _Globs = Field(
        default=(),
        description="Names of the agents whose calls are meant; * stands for any text and ? for one character. "
        "Empty: all agents.",
    )
    tools: _Globs = Field(
        default=(),
        description="Names of the tools that are meant, as the model knows them (github__delete_repo); * stands for "
        "any text and ? for one character. Empty: all tools.",
    )
    arguments: Json | None = Field(
        default=None,
        description="JSON schema: calls whose arguments satisfy it are meant. Not set: calls with any arguments.",
    )
    action: PolicyAction = Field(description="Require: a person must approve the call. Deny: the call is refused.")
    message: ShortText | None = Field(
        default=None, description="Why; people read it in the request, and the model when the call is refused."
    )
    expire_after: Expiry | None = Field(
        default=None,
        description='How long a person has to decide: a duration such as "30m", or "never". The shortest time of all '
        "that apply counts.",
    )


class ApprovalPolicyStatus(ReadinessStatus):
    """Whether the policy can be applied as it is written."""


class ApprovalPolicy(StatusObject[ApprovalPolicySpec, ApprovalPolicyStatus]):
    """Which calls need a person's approval, or are refused, whatever the tool itself says."""

    kind: str = "ApprovalPolicy"
    status: Annotated[ApprovalPolicyStatus, UNSEEN] = Field(default_factory=ApprovalPolicyStatus)
