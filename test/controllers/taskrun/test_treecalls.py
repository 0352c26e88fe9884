"""Model calls side by side in a tree with a limit: which may begin, and who is woken when one ends."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain.api.agent import AgentLimits
from kubechain.api.llm import LLMParameters
from kubechain.api.usage import Spending
from kubechain.controllers.taskrun.budgets import Budget
from kubechain.controllers.taskrun.observe import Observed
from kubechain.controllers.taskrun.treecalls import DEFAULT_ANSWER_TOKENS, Share, TreeCalls, shares
from kubechain.runtime.keys import Request
from test.controllers.builders import NOW, a_run, an_llm

ROOT = Request("default", "root")


def named(number: int) -> Request:
    return Request("default", f"run-{number}")


def part(left: int, most: int) -> Share:
    return Share((ROOT, "maxTokens"), left, most)


def test_far_from_a_limit_calls_go_side_by_side() -> None:
    tree = TreeCalls(lambda _: None)
    with ExitStack() as stack:
        assert all(stack.enter_context(tree.reserve(named(number), [part(1000, 100)])) for number in range(10))
        assert not stack.enter_context(tree.reserve(named(10), [part(1000, 100)]))
    assert len(tree) == 0


def test_who_waits_is_told_for_what_and_woken_when_a_call_ends() -> None:
    woken: list[Request] = []
    tree = TreeCalls(woken.append)
    with tree.reserve(named(0), [part(10, 32)]):
        said = tree.wait(named(1), [part(10, 32)])
        assert said == (
            'Waiting for model calls of other runs below TaskRun "root": with one more they could exceed its '
            "limits.maxTokens"
        )
        assert woken == []
    assert woken == [named(1)]
    assert tree.wait(named(1), [part(5, 32)]) is None
    assert len(tree) == 0


def test_a_run_whose_limit_is_its_own_waits_for_nobody() -> None:
    tree = TreeCalls(lambda _: None)
    with tree.reserve(named(0), []) as may_begin:
        assert may_begin


@given(st.integers(1, 2000), st.lists(st.tuples(st.integers(0, 5), st.integers(1, 900), st.integers(0, 100))))
def test_whatever_begins_and_ends_when_a_limit_is_exceeded_by_one_answer_at_most(
    limit: int, steps: list[tuple[int, int, int]]
) -> None:
    tree, spent, largest = TreeCalls(lambda _: None), 0, 0
    under_way: dict[int, tuple[ExitStack, int]] = {}
    for number, most, percent in steps:
        if number in under_way:
            stack, answer = under_way.pop(number)
            spent += answer
            stack.close()
        elif spent < limit:
            stack = ExitStack()
            if stack.enter_context(tree.reserve(named(number), [part(limit - spent, most)])):
                answer = most * percent // 100
                largest = max(largest, answer)
                under_way[number] = stack, answer
    for stack, answer in under_way.values():
        spent += answer
        stack.close()
    assert spent <= limit + largest
    assert len(tree) == 0


@pytest.mark.parametrize(
    ("limits", "max_tokens", "expected"),
    [
        pytest.param(AgentLimits(max_tokens=1000), 50, [("maxTokens", 900, 50)], id="the LLM's own limit"),
        pytest.param(
            AgentLimits(max_tokens=1000),
            None,
            [("maxTokens", 900, DEFAULT_ANSWER_TOKENS)],
            id="nobody limits the answer",
        ),
        pytest.param(AgentLimits(max_cost="1"), 100_000, [("maxCost", 1_000_000, 1_000_000)], id="cost"),
        pytest.param(AgentLimits(max_turns=3), None, [], id="turns are not measured by the answer"),
        pytest.param(None, None, [], id="no limits"),
    ],
)
def test_what_a_call_may_take(
    limits: AgentLimits | None, max_tokens: int | None, expected: list[tuple[str, int, int]]
) -> None:
    llm = an_llm(parameters=LLMParameters(max_tokens=max_tokens))
    budgets = (Budget("", limits, Spending()), Budget("root", limits, Spending(total_tokens=100), has_below=True))
    observed = Observed(run=a_run(), task=None, agent=None, llm=llm, now=NOW, budgets=budgets)
    found = shares(observed, llm)
    assert [(one.limit[1], one.left, one.most) for one in found] == expected
    assert all(one.limit[0] == ROOT for one in found)
