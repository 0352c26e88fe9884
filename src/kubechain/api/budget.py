"""What a run asks a person when it has reached a limit of its Agent, and what it got."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from kubechain.api.approval import AskedOfPerson
from kubechain.api.meta import KubeModel
from kubechain.api.schema import PositiveInt, Schema

BUDGET_REQUESTS_LIMIT = 32
"""How often one run asks: its status keeps every answer."""

ADDITION_LIMIT = 2_147_483_647
"""Largest number that is added to a limit at once; the limits themselves have the same bound."""

_Count = Annotated[int, Schema(minimum=0, maximum=2**53 - 1)]


class BudgetAddition(KubeModel):
    """What is added to the limits of a run, for it and the runs below it."""

    turns: PositiveInt | None = Field(default=None, description="Turns.")
    tokens: PositiveInt | None = Field(default=None, description="Tokens, in and out.")
    tool_calls: PositiveInt | None = Field(default=None, description="Tool calls.")


class ReachedLimit(KubeModel):
    """A limit that a run has reached, as it was when a person was asked."""

    limit: Literal["maxTurns", "maxTokens", "maxToolCalls"] = Field(description="Field of the Agent's limits.")
    allowed: _Count = Field(description="What was allowed, with what people had added before.")
    used: _Count = Field(
        description="What the run and the runs below it had used; of tool calls also those to be made."
    )
    offered: PositiveInt = Field(
        description="What choice Approve without an answer adds: the Agent's own limit, as many times as needed."
    )


class BudgetEnd(StrEnum):
    """How a request ended that nobody decided."""

    EXPIRED = "Expired"
    WITHDRAWN = "Withdrawn"


class BudgetRequest(AskedOfPerson):
    """What a person is asked when the run has reached a limit, and what they decided."""

    reached: Annotated[tuple[ReachedLimit, ...], Schema(max_items=3)] = Field(
        default=(), description="Limits that the run had reached."
    )
    added: BudgetAddition | None = Field(default=None, description="What the decision added.")
    unusable: Annotated[str, Schema(max_length=1024)] | None = Field(
        default=None, description="Why the answer of the decision could not be used; the next request repeats it."
    )
    ended: BudgetEnd | None = Field(
        default=None,
        description="How it ended without a decision. Expired: nobody decided in time. Withdrawn: the limit was not "
        "reached any more.",
    )

    @property
    def is_open(self) -> bool:
        """Whether the run waits for the decision."""
        return self.choice is None and self.ended is None
