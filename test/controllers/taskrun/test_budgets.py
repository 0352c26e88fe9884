"""Limits bind a run and all runs below it, are warned of in time, and have defaults."""

from __future__ import annotations

import pytest

from kubechain.api.agent import AgentLimits, OnExceeded
from kubechain.api.usage import Spending
from kubechain.controllers.taskrun.budgets import Budget, before_calls, before_turn, nearly_reached

NONE = AgentLimits()


def own(limits: AgentLimits | None, *, has_below: bool = False, **spent: int | str) -> Budget:
    return Budget("", limits, Spending.model_validate(spent), has_below)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        pytest.param(own(AgentLimits(max_turns=3), turns=3), "the run reached its limit of 3 turns", id="turns"),
        pytest.param(
            own(AgentLimits(max_tokens=100), total_tokens=101), "the run reached its limit of 100 tokens", id="tokens"
        ),
        pytest.param(
            own(AgentLimits(max_cost="0.50"), cost="0.5"), "the run reached its limit of 0.5 US dollars", id="cost"
        ),
        pytest.param(
            own(None, turns=100),
            "the run reached its limit of 100 turns (the default; limits.maxTurns of its Agent sets another)",
            id="the default of turns",
        ),
        pytest.param(
            own(AgentLimits(max_tokens=250), total_tokens=250, has_below=True),
            "the run and its sub-agents reached its limit of 250 tokens",
            id="with what its sub-agents spent",
        ),
        pytest.param(
            Budget("parent", AgentLimits(max_tokens=250), Spending(total_tokens=460), has_below=True),
            'TaskRun "parent" and its sub-agents reached its limit of 250 tokens',
            id="the limit of the run that delegated",
        ),
    ],
)
def test_a_reached_limit_ends_the_run_before_its_next_turn(budget: Budget, message: str) -> None:
    reached = before_turn((own(NONE), budget))
    assert [(use.end_reason, use.reached) for use in reached] == [("LimitExceeded", message)]


@pytest.mark.parametrize(
    "budget",
    [
        pytest.param(own(AgentLimits(max_turns=3), turns=2), id="one turn is left"),
        pytest.param(own(AgentLimits(max_tokens=100), total_tokens=99), id="one token is left"),
        pytest.param(
            own(AgentLimits(max_tool_calls=1), tool_calls=2), id="tool calls are looked at before they are made"
        ),
        pytest.param(own(AgentLimits(max_cost="0.50"), cost="0.499999"), id="a little money is left"),
        pytest.param(own(AgentLimits(max_cost="0.50")), id="nothing was spent"),
        pytest.param(own(None, total_tokens=10**9), id="tokens have no limit of their own"),
    ],
)
def test_what_is_left_is_used(budget: Budget) -> None:
    assert before_turn((budget,)) == ()


@pytest.mark.parametrize(
    ("limit", "made", "fails"), [(2, 2, False), (2, 3, True), (None, 1_000, False), (None, 1_001, True)]
)
def test_tool_calls_beyond_the_limit_are_not_made(limit: int | None, made: int, fails: bool) -> None:
    reached = before_calls((own(AgentLimits(max_tool_calls=limit), tool_calls=made),))
    assert [use.limit for use in reached] == ([limit or 1_000] if fails else [])
    assert all(use.reached.startswith(f"the run reached its limit of {use.limit} tool calls") for use in reached)


@pytest.mark.parametrize(
    ("budget", "warnings"),
    [
        pytest.param(own(AgentLimits(max_turns=10), turns=7), [], id="seven of ten"),
        pytest.param(
            own(AgentLimits(max_turns=10), turns=8),
            ["the run used 80 % of its limit of 10 turns (limits.maxTurns)"],
            id="eight of ten",
        ),
        pytest.param(
            own(AgentLimits(max_tokens=100, max_tool_calls=5), total_tokens=95, tool_calls=4),
            [
                "the run used 80 % of its limit of 100 tokens (limits.maxTokens)",
                "the run used 80 % of its limit of 5 tool calls (limits.maxToolCalls)",
            ],
            id="two limits",
        ),
    ],
)
def test_a_limit_is_warned_of_at_eighty_percent_in_words_that_stay_the_same(
    budget: Budget, warnings: list[str]
) -> None:
    assert list(nearly_reached((budget,))) == warnings


def test_nobody_is_asked_to_add_to_a_limit_of_money() -> None:
    budget = own(AgentLimits(max_cost="1", max_turns=1, on_exceeded=OnExceeded.ASK), cost="1", turns=1)
    assert [(use.field, use.may_be_added_to) for use in before_turn((budget,))] == [
        ("maxTurns", True),
        ("maxCost", False),
    ]
