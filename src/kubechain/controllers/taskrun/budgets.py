"""Limits of turns, tokens, cost and tool calls: whether a run has reached one, or comes near. Pure.

A limit binds the run of the Agent that sets it and all runs below: each run is held to its own limits and to those of
the runs above it. `treecalls` keeps calls in flight at the same moment from exceeding a limit together. What people
added to a run's limits counts for its tree as well. Budgets of the namespace are in `overdrafts` and `budgetholds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from kubechain.api import reasons
from kubechain.api.agent import DEFAULT_MAX_TOOL_CALLS, DEFAULT_MAX_TURNS, AgentLimits, OnExceeded
from kubechain.api.budget import BudgetAddition, BudgetRequest
from kubechain.api.usage import Spending, dollars

NEAR_PERCENT = 80
"""Share of a limit from which on a run warns."""

LimitField = Literal["maxTurns", "maxTokens", "maxToolCalls", "maxCost"]

_MICRO = 1_000_000
"""The cost is compared in millionths of a dollar."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one run, and what its tree has spent.

    Attributes:
        run: Name of the run that the limits are of, when it is above the one that is decided on; else empty.
        limits: Of its Agent; None: none is set.
        spent: By the run and all runs below it.
        has_below: Whether other runs are part of what was spent.
        requests: What people were asked about the limits of the run, with what they added.
    """

    run: str
    limits: AgentLimits | None
    spent: Spending
    has_below: bool = False
    requests: tuple[BudgetRequest, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether a person decides what becomes of the run when it has reached a limit of turns, tokens or calls."""
        return self.limits is not None and self.limits.on_exceeded == OnExceeded.ASK


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one limit is used.

    Attributes:
        own: The limit as the Agent has it, or its default.
        added: What people added to it.
    """

    budget: Budget
    field: LimitField
    unit: str
    own: int
    added: int
    spent: int
    is_default: bool = False

    @property
    def limit(self) -> int:
        """What is allowed in all."""
        return self.own + self.added

    @property
    def subject(self) -> str:
        """The run or the tree that the limit is of."""
        name = f'TaskRun "{self.budget.run}"' if self.budget.run else "the run"
        return f"{name} and its sub-agents" if self.budget.has_below else name

    @property
    def reached(self) -> str:
        """That the limit is reached, and what sets it."""
        advice = f" (the default; limits.{self.field} of its Agent sets another)" if self.is_default else ""
        return f"{self.subject} reached its limit of {self._amount} {self.unit}{advice}"

    @property
    def near(self) -> str:
        """That most of the limit is used."""
        return f"{self.subject} used {NEAR_PERCENT} % of its limit of {self._amount} {self.unit} (limits.{self.field})"

    @property
    def _amount(self) -> str:
        return dollars(Decimal(self.limit) / _MICRO) if self.field == "maxCost" else str(self.limit)

    @property
    def is_own(self) -> bool:
        """Whether the limit is of the run itself, and of none above it."""
        return not self.budget.run

    budget_name = ""
    """The limit is of an Agent, and of no Budget of the namespace."""

    end_reason = reasons.LIMIT_EXCEEDED

    @property
    def may_be_added_to(self) -> bool:
        """Whether a person is asked to add to the limit; one of money is final."""
        return self.budget.asks and self.field != "maxCost"

    @property
    def missing(self) -> int:
        """The least that lets the run go on."""
        return self.spent - self.limit + (0 if self.field == "maxToolCalls" else 1)


def before_turn(budgets: Iterable[Budget]) -> Sequence[Use]:
    """The limits that keep a run from calling its model again."""
    return tuple(use for use in _uses(budgets) if use.field != "maxToolCalls" and use.missing > 0)


def before_calls(budgets: Iterable[Budget]) -> Sequence[Use]:
    """The limits that an open turn with its tool calls exceeds."""
    return tuple(use for use in _uses(budgets) if use.field == "maxToolCalls" and use.missing > 0)


def nearly_reached(budgets: Iterable[Budget]) -> Sequence[str]:
    """What to warn of, in words that stay the same while it lasts."""
    return tuple(use.near for use in _uses(budgets) if use.spent * 100 >= use.limit * NEAR_PERCENT)


def of_runs_above(budgets: Iterable[Budget]) -> Sequence[Use]:
    """The limits of the runs above, which other runs may come near as well."""
    return tuple(_uses(budget for budget in budgets if budget.run))


def _uses(budgets: Iterable[Budget]) -> Iterator[Use]:
    for budget in budgets:
        limits, spent = budget.limits or AgentLimits(), budget.spent
        added = [one.added for one in budget.requests if one.added is not None and one.budget is None]
        turns = limits.max_turns or DEFAULT_MAX_TURNS
        yield Use(
            budget, "maxTurns", "turns", turns, sum_of_added(added, "turns"), spent.turns, limits.max_turns is None
        )
        if limits.max_tokens is not None:
            tokens = sum_of_added(added, "tokens")
            yield Use(budget, "maxTokens", "tokens", limits.max_tokens, tokens, spent.total_tokens)
        if limits.max_cost is not None:
            cost = micro(spent.cost or "0")
            yield Use(budget, "maxCost", "US dollars", micro(limits.max_cost), 0, cost)
        calls, is_default = limits.max_tool_calls or DEFAULT_MAX_TOOL_CALLS, limits.max_tool_calls is None
        made = spent.tool_calls
        yield Use(budget, "maxToolCalls", "tool calls", calls, sum_of_added(added, "tool_calls"), made, is_default)


def micro(amount: str | Decimal | int) -> int:
    """An amount of dollars in millionths."""
    return int(Decimal(amount) * _MICRO)


def sum_of_added(added: Iterable[BudgetAddition], field: Literal["turns", "tokens", "tool_calls"]) -> int:
    """What people added to one limit in all."""
    return sum(getattr(one, field) or 0 for one in added)
