"""Budgets of a namespace: held before the call, counted once, whatever ends, is deleted or crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kubechain.api.conditions import is_true
from kubechain.api.namespacebudget import Budget
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import resources
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.runtime.errors import NotFound
from test.controllers.builders import a_call
from test.controllers.world import NAMESPACE, World, a_world

TOKENS = 2
"""What each answer of the fake model takes."""

DAY_SECONDS = 86_400.0


@asynccontextmanager
async def a_team(model: FakeLLMClient, **budget: Any) -> AsyncGenerator[World]:
    """A namespace with an agent that makes plans, and a Budget."""
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through(planning=True)
        await world.apply("budgets", {"metadata": {"name": "team"}, "spec": budget})
        await world.budget_until(lambda budget: budget.status.ready)
        yield world


async def a_run(world: World, name: str, agent: str = "my-assistant") -> None:
    spec = {"agentRef": {"name": agent}, "userMessage": "What is the capital of the moon?"}
    await world.apply("taskruns", {"metadata": {"name": name}, "spec": spec})


async def budget_of(world: World) -> Budget:
    return await world.client.get(resources.BUDGETS, NAMESPACE, "team")


async def patch_budget(world: World, **spec: Any) -> None:
    await world.client.patch(resources.BUDGETS, NAMESPACE, "team", {"spec": spec})


def is_over(run: TaskRun) -> bool:
    return run.status.completion_time is not None


def waits(run: TaskRun) -> bool:
    return run.status.waiting_for_budget == "team"


def plans(turns: int) -> FakeLLMClient:
    """A model that makes so many plans before it answers."""
    return FakeLLMClient(*[calls(a_call("update_plan", '{"steps": []}'))] * turns, answer("done"))


async def test_a_run_waits_before_the_call_that_would_spend_more_and_goes_on_when_the_budget_is_raised() -> None:
    model = plans(3)
    async with a_team(model, maxTokens=2 * TOKENS) as world:
        await a_run(world, "one")
        run = await world.until(waits, "one")
        assert len(model.calls) == 2, "the call that reached the limit was made, the next one not"
        assert run.status.phase == TaskRunPhase.READY_FOR_LLM
        assert run.status.status_detail == (
            'Waiting: Budget "team" is spent: 4 tokens; a raised maxTokens or maxCost lets runs go on at once'
        )
        spent = await world.budget_until(lambda budget: is_true(budget.status.conditions, "LimitReached"))
        assert (spent.status.limit, spent.status.spent, spent.status.left) == ("4 tokens", "4 tokens", "0 tokens")
        await patch_budget(world, maxTokens=100)
        done = await world.until(is_over, "one")
        assert (done.status.phase, done.status.waiting_for_budget) == (TaskRunPhase.FINAL_ANSWER, None)
        assert len(model.calls) == 4


async def test_a_daily_budget_begins_anew_at_midnight_by_itself() -> None:
    model = plans(2)
    async with a_team(model, maxTokens=TOKENS, period="Day") as world:
        await a_run(world, "one")
        run = await world.until(waits, "one")
        resets_at = (await budget_of(world)).status.resets_at
        assert resets_at is not None
        assert f"the next day begins at {resets_at:%Y-%m-%d}T00:00:00Z" in run.status.status_detail
        await asyncio.sleep(2 * DAY_SECONDS)
        run = await world.until(is_over, "one")
        assert run.status.phase == TaskRunPhase.FINAL_ANSWER
        assert [day.tokens for day in run.status.usage_by_day] == [TOKENS] * 3
        assert len(model.calls) == 3


async def test_a_longer_period_stops_the_second_days_first_call_and_not_the_first_days_last() -> None:
    model = plans(1)
    async with a_team(model, maxTokens=TOKENS + 1, period="Month") as world:
        await a_run(world, "first")
        await world.until(is_over, "first")
        assert len(model.calls) == 2, "the last call of the day exceeds the budget by its answer"
        await asyncio.sleep(DAY_SECONDS)
        await a_run(world, "second")
        await world.until(waits, "second")
        assert len(model.calls) == 2


async def test_a_budget_may_fail_its_runs() -> None:
    async with a_team(plans(3), maxTokens=TOKENS, onExceeded="Fail") as world:
        await a_run(world, "one")
        run = await world.until(is_over, "one")
        assert (run.status.phase, run.status.error) == (
            TaskRunPhase.FAILED,
            'Budget "team" is spent: 2 tokens; a raised maxTokens or maxCost lets runs go on at once',
        )


async def test_a_budget_of_some_agents_counts_and_holds_no_others() -> None:
    async with a_team(FakeLLMClient(answer("done")), maxTokens=TOKENS, selector={"agents": ["cheap-*"]}) as world:
        await world.apply(
            "agents", {"metadata": {"name": "cheap-1"}, "spec": {"llmRef": {"name": "gpt-4o"}, "system": "Help."}}
        )
        for name in ("one", "two"):
            await a_run(world, name)
            assert (await world.until(is_over, name)).metadata.finalizers == ()
        await a_run(world, "three", "cheap-1")
        await world.until(is_over, "three")
        await a_run(world, "four", "cheap-1")
        await world.until(waits, "four")


async def delete_run(world: World, name: str) -> None:
    await world.client.delete(resources.TASK_RUNS, NAMESPACE, name)
    await asyncio.sleep(10.0)
    with pytest.raises(NotFound):
        await world.run(name)


async def test_what_deleted_runs_have_spent_counts_until_the_period_ends_and_once() -> None:
    model = FakeLLMClient(answer("done"))
    async with a_team(model, maxTokens=3 * TOKENS, period="Day") as world:
        for name in ("one", "two", "three"):
            await a_run(world, name)
            await world.until(is_over, name)
            await delete_run(world, name)
        await a_run(world, "four")
        await world.until(waits, "four")
        assert len(model.calls) == 3
        told = await world.budget_until(lambda budget: not budget.status.ending_runs)
        assert (told.status.used.tokens, told.status.deleted_runs.tokens) == (3 * TOKENS, 3 * TOKENS)
        # A successor counts the same.
        await world.replicas[0].stop()
        world.replica(model, "pod-b_1")
        await asyncio.sleep(60.0)
        assert (await budget_of(world)).status.used.tokens == 3 * TOKENS
        await asyncio.sleep(DAY_SECONDS)
        await world.until(is_over, "four")
        assert len(model.calls) == 4


async def test_a_deleted_run_stays_until_its_spending_is_recorded() -> None:
    async with a_team(FakeLLMClient(answer("done")), maxTokens=100) as world:
        await a_run(world, "one")
        await world.until(is_over, "one")
        await world.replicas[0].stop()
        await world.client.delete(resources.TASK_RUNS, NAMESPACE, "one")
        assert (await world.run("one")).metadata.finalizers == ("kubechain.humanlayer.dev/budget",)
        world.replica(FakeLLMClient(), "pod-b_1")
        await world.budget_until(lambda budget: budget.status.deleted_runs.tokens == TOKENS)
        await world.client.delete(resources.BUDGETS, NAMESPACE, "team")


async def test_without_a_budget_a_deleted_run_goes_at_once() -> None:
    async with a_team(FakeLLMClient(answer("done")), maxTokens=100) as world:
        await a_run(world, "one")
        await world.until(is_over, "one")
        await world.client.delete(resources.BUDGETS, NAMESPACE, "team")
        await delete_run(world, "one")


async def test_the_status_of_a_budget_is_not_written_for_each_turn() -> None:
    async with a_team(plans(30), maxTokens=10_000) as world:
        before = len(writes_to_budgets(world))
        await a_run(world, "one")
        await world.until(is_over, "one")
        await asyncio.sleep(60.0)
        assert (await budget_of(world)).status.used.tokens == 31 * TOKENS
        assert len(writes_to_budgets(world)) - before <= 3


def writes_to_budgets(world: World) -> list[str]:
    return [line for line in world.replicas[0].exchange.writes if "/budgets/" in line]


async def test_a_cost_cannot_be_limited_where_the_llm_has_no_price_and_the_run_waits_for_one() -> None:
    async with a_team(FakeLLMClient(answer("done")), maxCost="0.5") as world:
        llm = {"parameters": {"baseUrl": "http://models.test/v1", "model": "own"}}
        await world.client.patch(resources.LLMS, NAMESPACE, "gpt-4o", {"spec": llm})
        await a_run(world, "one")
        run = await world.until(waits, "one")
        assert "no price is known" in run.status.status_detail
        prices = {"inputPerMillion": "200000", "outputPerMillion": "200000"}
        await world.client.patch(resources.LLMS, NAMESPACE, "gpt-4o", {"spec": {"prices": prices}})
        await world.until(is_over, "one")
        told = await world.budget_until(lambda budget: budget.status.used.cost is not None)
        assert told.status.spent == "$0.4"
