"""Limits of turns, tokens and tool calls: whether a run has reached one, or comes near. Pure.

A limit binds the run of the Agent that sets it and all runs below: each run is held to its own limits and to those of
the runs above it. Calls in flight at the same moment may together exceed a limit by what they cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kubechain.api import reasons
from kubechain.api.agent import DEFAULT_MAX_TOOL_CALLS, DEFAULT_MAX_TURNS, AgentLimits
from kubechain.api.taskrun import Spending
from kubechain.controllers.taskrun.steps import Fail

NEAR_PERCENT = 80
"""Share of a limit from which on a run warns."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one run, and what its tree has spent.

    Attributes:
        run: Name of the run that the limits are of, when it is above the one that is decided on; else empty.
        limits: Of its Agent; None: none is set.
        spent: By the run and all runs below it.
        has_below: Whether other runs are part of what was spent.
    """

    run: str
    limits: AgentLimits | None
    spent: Spending
    has_below: bool = False


@dataclass(frozen=True, slots=True)
class _Use:
    """How much of one limit is used."""

    budget: Budget
    field: str
    unit: str
    limit: int
    spent: int
    is_default: bool = False

    @property
    def subject(self) -> str:
        name = f'TaskRun "{self.budget.run}"' if self.budget.run else "the run"
        return f"{name} and its sub-agents" if self.budget.has_below else name

    @property
    def reached(self) -> str:
        advice = f" (the default; limits.{self.field} of its Agent sets another)" if self.is_default else ""
        return f"{self.subject} reached its limit of {self.limit} {self.unit}{advice}"

    @property
    def near(self) -> str:
        return f"{self.subject} used {NEAR_PERCENT} % of its limit of {self.limit} {self.unit} (limits.{self.field})"


def before_turn(budgets: Iterable[Budget]) -> Fail | None:
    """The end of a run that may not call its model again."""
    reached = (use for use in _uses(budgets) if use.field != "maxToolCalls" and use.spent >= use.limit)
    return _ended(reached)


def before_calls(budgets: Iterable[Budget]) -> Fail | None:
    """The end of a run whose open turn has more tool calls than are left."""
    return _ended(use for use in _uses(budgets) if use.field == "maxToolCalls" and use.spent > use.limit)


def nearly_reached(budgets: Iterable[Budget]) -> Sequence[str]:
    """What to warn of, in words that stay the same while it lasts."""
    return tuple(use.near for use in _uses(budgets) if use.spent * 100 >= use.limit * NEAR_PERCENT)


def _ended(reached: Iterator[_Use]) -> Fail | None:
    first = next(reached, None)
    return Fail(reasons.LIMIT_EXCEEDED, first.reached) if first is not None else None


def _uses(budgets: Iterable[Budget]) -> Iterator[_Use]:
    for budget in budgets:
        limits, spent = budget.limits or AgentLimits(), budget.spent
        max_turns = limits.max_turns or DEFAULT_MAX_TURNS
        yield _Use(budget, "maxTurns", "turns", max_turns, spent.turns, limits.max_turns is None)
        if limits.max_tokens is not None:
            yield _Use(budget, "maxTokens", "tokens", limits.max_tokens, spent.total_tokens)
        max_calls = limits.max_tool_calls or DEFAULT_MAX_TOOL_CALLS
        yield _Use(budget, "maxToolCalls", "tool calls", max_calls, spent.tool_calls, limits.max_tool_calls is None)
