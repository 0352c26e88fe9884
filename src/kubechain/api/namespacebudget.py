"""Budget: how many tokens, or how much money, the runs of a namespace may spend in a period."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from kubechain.api import conditions
from kubechain.api.globs import Glob
from kubechain.api.meta import UNSEEN, KubeModel, ReadinessStatus, StatusObject, Time
from kubechain.api.schema import Name, Rule, Schema
from kubechain.api.usage import COUNT_LIMIT, Dollars

ENDING_RUNS_LIMIT = 1024
"""How many runs that are being deleted are kept apart; each is for a moment."""

_Count = Annotated[int, Schema(minimum=0, maximum=COUNT_LIMIT)]


class BudgetPeriod(StrEnum):
    """After how long what was spent counts no longer; all begin at midnight in UTC, a week on Monday."""

    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


class OnSpent(StrEnum):
    """What becomes of a run whose budget is spent, before its next call of the model."""

    WAIT = "Wait"
    FAIL = "Fail"
    ASK = "Ask"


class BudgetSelector(KubeModel):
    """Which runs of the namespace count, and are held."""

    agents: Annotated[tuple[Glob, ...], Schema(max_items=256)] = Field(
        default=(),
        description="Names of the agents whose runs are meant; * stands for any text and ? for one character. "
        "Empty: all agents.",
    )


class BudgetSpec(KubeModel):
    """What may be spent."""

    crd_rules = (Rule("has(self.maxTokens) || has(self.maxCost)", "set maxTokens, maxCost or both"),)

    period: BudgetPeriod | None = Field(
        default=None,
        description="What is spent counts until the end of the day, the week (it begins on Monday) or the month, in "
        "UTC. Not set: for ever.",
    )
    max_tokens: Annotated[int, Schema(minimum=1, maximum=COUNT_LIMIT)] | None = Field(
        default=None, description="Most tokens in a period, in and out."
    )
    max_cost: Dollars | None = Field(
        default=None, description="Most cost in a period, in US dollars by the LLMs' prices, in quotes."
    )
    selector: BudgetSelector | None = Field(
        default=None, description="Which runs of the namespace the budget is about. Not set: all."
    )
    on_exceeded: OnSpent = Field(
        default=OnSpent.WAIT,
        description="What becomes of a run when the budget is spent, before it calls its model again. Wait (the "
        "default): it waits for the next period, or until the budget is raised. Fail: it fails. "
        "Ask: it also waits for a person, up to seven days, who lets this one run spend more or lets it fail.",
    )


class Spent(KubeModel):
    """Tokens and cost."""

    tokens: _Count = Field(default=0, description="Tokens, in and out.")
    cost: Dollars | None = Field(default=None, description="Cost in US dollars, of the calls whose price is known.")


class EndingRun(KubeModel):
    """A run that is being deleted, and what it has spent in the period."""

    uid: Annotated[str, Schema(max_length=64)] = Field(description="Its uid.")
    name: Name = Field(description="Its name.")
    spent: Spent = Field(description="What it has spent in the period.")


class BudgetStatus(ReadinessStatus):
    """What is spent in this period. What counts is read from the runs themselves; this says it."""

    condition_types: ClassVar[Mapping[str, str]] = {
        conditions.READY: "True when the budget holds",
        conditions.LIMIT_NEAR: "True once 80 % of the budget are spent in this period",
        conditions.LIMIT_REACHED: "True once the budget is spent: runs wait, fail or ask before their next model call",
    }

    period_start: Time | None = Field(
        default=None, description="When the period began that the status is about; not set where there is none."
    )
    resets_at: Time | None = Field(default=None, description="When the next period begins.")
    limit: Annotated[str, Schema(max_length=128)] = Field(default="", description="What may be spent, in words.")
    spent: Annotated[str, Schema(max_length=128)] = Field(
        default="", description="What is spent in this period, in words; a few seconds old."
    )
    left: Annotated[str, Schema(max_length=128)] = Field(default="", description="What is left of it, in words.")
    used: Spent = Field(default_factory=Spent, description="What is spent in this period; a few seconds old.")
    used_at: Time | None = Field(default=None, description="When that was read.")
    deleted_runs: Spent = Field(
        default_factory=Spent, description="Part of it that was spent by runs that are deleted since."
    )
    ending_runs: Annotated[tuple[EndingRun, ...], Schema(max_items=ENDING_RUNS_LIMIT)] = Field(
        default=(),
        description="Runs that are being deleted, with what they spent in this period: they may go once it is "
        "recorded here.",
    )


class Budget(StatusObject[BudgetSpec, BudgetStatus]):
    """How many tokens, or how much money, the runs of a namespace may spend in a period."""

    kind: str = "Budget"
    status: Annotated[BudgetStatus, UNSEEN] = Field(default_factory=BudgetStatus)
