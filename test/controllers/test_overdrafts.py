"""Runs that ask a person whether they may spend beyond a Budget of their namespace."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kubechain.api.budget import BudgetAddition, BudgetEnd
from kubechain.api.conditions import LIMIT_REACHED, is_true
from kubechain.api.humanrequest import HumanRequestPhase
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import resources
from test.controllers.people import decide, request_is, request_of
from test.controllers.test_namespace_budgets import DAY_SECONDS, TOKENS, a_run, a_team, is_over, patch_budget, plans
from test.controllers.world import NAMESPACE, World

FIRST = "one-budget-1"
SECOND = "one-budget-2"


async def end_of(world: World, name: str = "one") -> TaskRun:
    return await world.until(is_over, name)


async def test_a_run_at_a_spent_budget_waits_for_a_person_and_says_so() -> None:
    async with a_team(plans(3), maxTokens=10 * TOKENS, onExceeded="Ask") as world:
        await patch_budget(world, maxTokens=2 * TOKENS)
        await a_run(world, "one")
        request = await request_of(world, FIRST)
        run = await world.run("one")
        assert (run.status.phase, run.status.waiting_for_budget) == (TaskRunPhase.READY_FOR_LLM, "team")
        assert run.status.status_detail.startswith('Waiting for a person: Budget "team" is spent: 4 tokens')
        assert is_true(run.status.conditions, LIMIT_REACHED)
        content = request.spec.request
        assert (content.type, content.subject.resource, content.subject.name) == ("Budget", "budgets", "team")
        told = content.message or ""
        assert 'maxTokens: 4 allowed by Budget "team", 4 used by all its runs, 1 more for this run by Approve' in told
        assert f"kubechain answer {FIRST} -n default --add tokens=1" in told
        await decide(world, "Reject", FIRST)
        await end_of(world)


async def test_a_run_goes_on_as_far_as_the_person_lets_it_and_asks_again() -> None:
    model = plans(5)
    async with a_team(model, maxTokens=TOKENS, onExceeded="Ask") as world:
        await a_run(world, "one")
        await decide(world, "Approve", FIRST, answer='{"tokens": 3}')
        await request_of(world, SECOND)
        assert len(model.calls) == 3, "one within the Budget, and two that three tokens more allow to begin"
        await decide(world, "Approve", SECOND, answer='{"tokens": 1000}')
        run = await end_of(world)
        assert (run.status.phase, run.status.waiting_for_budget) == (TaskRunPhase.FINAL_ANSWER, None)
        first, second = run.status.budget_requests
        assert (first.added, second.added) == (BudgetAddition(tokens=3), BudgetAddition(tokens=1000))
        assert first.budget is not None
        assert (first.budget.name, first.budget.run_spent.tokens) == ("team", TOKENS)


async def test_what_one_run_may_spend_lets_no_other_one_spend_and_is_not_used_up_by_others() -> None:
    model = plans(2)
    async with a_team(model, maxTokens=TOKENS, onExceeded="Ask") as world:
        await a_run(world, "one")
        await request_of(world, FIRST)
        await a_run(world, "two")
        await decide(world, "Approve", "two-budget-1", answer='{"tokens": 1000}')
        assert (await end_of(world, "two")).status.phase == TaskRunPhase.FINAL_ANSWER
        assert not is_over(await world.run("one"))
        await decide(world, "Approve", FIRST, answer='{"tokens": 1}')
        # The model has said all: one more call is the whole of what is allowed.
        assert (await end_of(world)).status.phase == TaskRunPhase.FINAL_ANSWER


@pytest.mark.parametrize(
    ("decision", "error"),
    [
        pytest.param({"choice": "Reject", "comment": "Too dear."}, "bob added nothing: Too dear.", id="refused"),
        pytest.param({"choice": "Reject"}, "bob added nothing", id="refused without a word"),
    ],
)
async def test_a_refused_run_fails_as_at_a_budget_that_fails_its_runs(decision: dict[str, str], error: str) -> None:
    async with a_team(plans(3), maxTokens=TOKENS, onExceeded="Ask") as world:
        await a_run(world, "one")
        await decide(world, decision.pop("choice"), FIRST, **decision)
        run = await end_of(world)
        assert run.status.phase == TaskRunPhase.FAILED
        assert run.status.error is not None
        assert run.status.error.startswith('Budget "team" is spent: 2 tokens')
        assert run.status.error.endswith(error)
        reasons = {condition.type: condition.reason for condition in run.status.conditions}
        assert reasons["Finished"] == "BudgetSpent"


@pytest.mark.parametrize(
    ("answer", "unusable"),
    [
        pytest.param('{"turns": 5}', "turns", id="turns, which no Budget limits"),
        pytest.param('{"cost": "0"}', "takes at least 1 tokens", id="nothing of the limit that is reached"),
        pytest.param('{"cost": "dear"}', "answer:", id="no amount"),
        pytest.param('{"tokens": -1}', "less than the minimum", id="less"),
    ],
)
async def test_an_answer_that_adds_nothing_is_asked_about_again(answer: str, unusable: str) -> None:
    async with a_team(plans(2), maxTokens=TOKENS, onExceeded="Ask") as world:
        await a_run(world, "one")
        await decide(world, "Approve", FIRST, answer=answer)
        again = await request_of(world, SECOND)
        assert f"The answer to {FIRST} could not be used" in (again.spec.request.message or "")
        (first, _) = (await world.run("one")).status.budget_requests
        assert unusable in (first.unusable or "")
        await decide(world, "Reject", SECOND)
        await end_of(world)


async def test_a_raised_budget_lets_the_run_go_on_and_withdraws_the_request() -> None:
    async with a_team(plans(2), maxTokens=TOKENS, onExceeded="Ask") as world:
        await a_run(world, "one")
        await request_of(world, FIRST)
        await patch_budget(world, maxTokens=100)
        run = await end_of(world)
        assert [one.ended for one in run.status.budget_requests] == [BudgetEnd.WITHDRAWN]
        await world.request_until(request_is(HumanRequestPhase.WITHDRAWN, FIRST))


async def test_a_deleted_budget_lets_the_run_go_on() -> None:
    async with a_team(plans(2), maxTokens=TOKENS, onExceeded="Ask") as world:
        await a_run(world, "one")
        await request_of(world, FIRST)
        await world.client.delete(resources.BUDGETS, NAMESPACE, "team")
        assert (await end_of(world)).status.phase == TaskRunPhase.FINAL_ANSWER


async def test_the_next_period_lets_the_run_go_on_and_what_was_allowed_is_over_then() -> None:
    model = plans(4)
    async with a_team(model, maxTokens=TOKENS, period="Day", onExceeded="Ask") as world:
        await a_run(world, "one")
        await decide(world, "Approve", FIRST, answer='{"tokens": 1}')
        await request_of(world, SECOND)
        assert len(model.calls) == 2
        await asyncio.sleep(DAY_SECONDS)
        await request_of(world, "one-budget-3")
        assert len(model.calls) == 3, "the new day allows one call, and yesterday's permission none"
        await decide(world, "Reject", "one-budget-3")
        run = await end_of(world)
        assert [one.ended for one in run.status.budget_requests] == [None, BudgetEnd.WITHDRAWN, None]


async def test_nobody_is_asked_where_another_budget_ends_the_run() -> None:
    async with a_team(plans(2), maxTokens=TOKENS, onExceeded="Ask") as world:
        await world.apply(
            "budgets", {"metadata": {"name": "hard"}, "spec": {"maxTokens": TOKENS, "onExceeded": "Fail"}}
        )
        await a_run(world, "one")
        run = await end_of(world)
        assert (run.status.phase, run.status.budget_requests) == (TaskRunPhase.FAILED, ())


async def test_what_a_person_allows_beyond_a_budget_does_not_lift_the_limits_of_the_agent() -> None:
    async with a_team(plans(5), maxTokens=TOKENS, onExceeded="Ask") as world:
        limits = {"maxTokens": 2 * TOKENS, "onExceeded": "Fail"}
        await world.client.patch(resources.AGENTS, NAMESPACE, "my-assistant", {"spec": {"limits": limits}})
        await a_run(world, "one")
        await decide(world, "Approve", FIRST, answer='{"tokens": 1000}')
        run = await end_of(world)
        assert run.status.error == "the run reached its limit of 4 tokens"


@pytest.mark.parametrize(
    ("more", "added"),
    [
        pytest.param({}, "0.02", id="a tenth of the Budget without an answer"),
        pytest.param({"answer": '{"cost": "1.50"}'}, "1.5", id="an amount as text"),
        pytest.param({"answer": '{"cost": 1.5}'}, "1.5", id="an amount as a number"),
    ],
)
async def test_a_person_lets_a_run_cost_more(more: dict[str, Any], added: str) -> None:
    async with a_team(plans(1), maxCost="0.2", onExceeded="Ask") as world:
        prices = {"inputPerMillion": "100000", "outputPerMillion": "100000"}
        await world.client.patch(resources.LLMS, NAMESPACE, "gpt-4o", {"spec": {"prices": prices}})
        await a_run(world, "one")
        request = await request_of(world, FIRST)
        assert "0.2 allowed" in (request.spec.request.message or "")
        assert f"kubechain answer {FIRST} -n default --add cost=0.02" in (request.spec.request.message or "")
        await decide(world, "Approve", FIRST, **more)
        run = await end_of(world)
        assert run.status.phase == TaskRunPhase.FINAL_ANSWER
        assert [one.added and one.added.cost for one in run.status.budget_requests] == [added]
