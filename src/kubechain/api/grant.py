"""Approvals for the rest of a run, as its status keeps them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubechain.api.approval import DecisionIdentity, Person
from kubechain.api.meta import KubeModel, MicroTime
from kubechain.api.schema import Name, Schema

GRANTS_LIMIT = 64
"""Most approvals for the rest of a run."""


class Grant(KubeModel):
    """A person's approval of every further call of a tool in this run, whatever its arguments."""

    request_name: Name = Field(description="HumanRequest that was decided; spec.revokedGrants takes this name.")
    tool: Annotated[str, Schema(max_length=256)] = Field(
        description="Tool that may be called, by the name under which the model knows it."
    )
    by: Person | None = Field(default=None, description="Who decided.")
    identity: DecisionIdentity | None = Field(
        default=None, description="How sure the name is: Verified, Delegated or Claimed."
    )
    at: MicroTime = Field(description="When the manager saw the decision.")
