"""What a run asks a person when it has reached a limit of its Agent or a Budget of its namespace, and what it got."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from kubechain.api.approval import AskedOfPerson
from kubechain.api.meta import KubeModel, Time
from kubechain.api.namespacebudget import Spent
from kubechain.api.schema import Name, PositiveInt, Schema
from kubechain.api.usage import Dollars

OF_AGENT = ("turns", "tokens", "toolCalls")
"""Fields of an answer that add to the limits of an Agent."""

OF_BUDGET = ("tokens", "cost")
"""Those that let a run spend beyond a Budget of its namespace."""

BUDGET_REQUESTS_LIMIT = 32
"""How often one run asks: its status keeps every answer."""

ADDITION_LIMIT = 2_147_483_647
"""Largest number that is added to a limit at once; the limits themselves have the same bound."""

_Count = Annotated[int, Schema(minimum=0, maximum=2**53 - 1)]


class BudgetAddition(KubeModel):
    """What is added to the limits of a run, for it and the runs below it; or what it may spend beyond a Budget."""

    turns: PositiveInt | None = Field(default=None, description="Turns.")
    tokens: PositiveInt | None = Field(default=None, description="Tokens, in and out.")
    tool_calls: PositiveInt | None = Field(default=None, description="Tool calls.")
    cost: Dollars | None = Field(default=None, description="US dollars; beyond a Budget only.")


class ReachedLimit(KubeModel):
    """A limit that a run has reached, as it was when a person was asked."""

    limit: Literal["maxTurns", "maxTokens", "maxToolCalls", "maxCost"] = Field(
        description="Field of the Agent's limits, or of the Budget. The numbers of maxCost are millionths of a US "
        "dollar."
    )
    allowed: _Count = Field(description="What was allowed, with what people had added before.")
    used: _Count = Field(
        description="What the run and the runs below it had used; of tool calls also those to be made. Of a Budget: "
        "what all its runs had used in the period."
    )
    offered: PositiveInt = Field(
        description="What choice Approve without an answer adds: the Agent's own limit, as many times as needed; of a "
        "Budget the tenth part."
    )


class SpentBudget(KubeModel):
    """A Budget of the namespace that was spent when a person was asked."""

    name: Name = Field(description="Name of the Budget.")
    period_start: Time | None = Field(
        default=None, description="When the period began for which a person was asked; not set where there is none."
    )
    run_spent: Spent = Field(
        default_factory=Spent,
        description="What the run itself had spent in the period; what is added counts from here.",
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
    budget: SpentBudget | None = Field(
        default=None,
        description="The Budget that the request is about. Not set: it is about the limits of the run's Agent.",
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

    @property
    def budget_name(self) -> str:
        """Name of the Budget that it is about; empty where it is about the limits of the run's Agent."""
        return self.budget.name if self.budget is not None else ""
