"""What a tree of runs has spent: budgets of a parent bind the runs below it, whoever of them is alive."""

from __future__ import annotations

import json

import pytest

from kubechain.api.agent import AgentLimits
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import resources
from kubechain.llm.client import Completion
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import a_call
from test.controllers.test_durability import is_over
from test.controllers.world import NAMESPACE, World, a_world

TOKENS = 2
"""What each answer of the fake model costs."""


def asks_two() -> Completion:
    """Two delegations side by side."""
    message = json.dumps({"message": "Go and see."})
    return calls(*(a_call("delegate_to_agent__scout", message, call_id=f"call_{idx}") for idx in range(2)))


async def a_pair(world: World, limits: AgentLimits, **scout: object) -> None:
    """An Agent with limits that may delegate to `scout`."""
    spec = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things.", **scout}
    await world.apply("agents", {"metadata": {"name": "scout"}, "spec": spec})
    await world.apply_walk_through(subAgents=[{"name": "scout"}], limits=limits.to_wire())
    await world.apply_task()


async def test_the_tokens_of_sub_agents_count_against_their_parents_limit() -> None:
    async with a_world() as world:
        model = FakeLLMClient(asks_two(), answer("seen"), answer("seen too"), answer("never asked for"))
        world.replica(model)
        await a_pair(world, AgentLimits(max_tokens=3 * TOKENS))
        run = await world.until(is_over)
        assert (run.status.phase, run.status.error) == (
            TaskRunPhase.FAILED,
            f"the run and its sub-agents reached its limit of {3 * TOKENS} tokens",
        )
        assert run.status.usage is not None
        assert run.status.sub_agent_usage is not None
        assert (run.status.usage.total_tokens, run.status.sub_agent_usage.total_tokens) == (TOKENS, 2 * TOKENS)
        assert (run.status.sub_agent_usage.turns, run.status.sub_agent_usage.model_calls) == (2, 2)


async def test_a_sub_agent_ends_where_its_parents_limit_is_reached() -> None:
    async with a_world() as world:
        step = calls(a_call("update_plan", '{"steps": []}'))
        model = FakeLLMClient(asks_two(), *[step] * 20)
        world.replica(model)
        await a_pair(world, AgentLimits(max_turns=7), planning=True)
        run = await world.until(is_over)
        assert run.status.phase == TaskRunPhase.FAILED
        runs = await world.client.list(resources.TASK_RUNS, NAMESPACE)
        assert sum(one.status.turn for one in runs) <= 7 + 2, "each may begin a turn while the other's is in flight"
        below = [one.status.error for one in runs if one.metadata.name != run.metadata.name]
        assert below == ['TaskRun "hello-1" and its sub-agents reached its limit of 7 turns'] * 2


@pytest.mark.parametrize("limit", range(3, 16))
async def test_runs_side_by_side_exceed_a_limit_of_their_tree_by_one_answer_at_most(limit: int) -> None:
    async with a_world() as world:
        step = calls(a_call("update_plan", '{"steps": []}'))
        world.replica(FakeLLMClient(asks_two(), *[step] * 20))
        await a_pair(world, AgentLimits(max_tokens=limit), planning=True)
        await world.until(is_over)
        runs = await world.client.list(resources.TASK_RUNS, NAMESPACE)
        spent = sum(one.status.usage.total_tokens for one in runs if one.status.usage is not None)
        assert limit <= spent < limit + TOKENS


async def test_a_run_warns_once_of_a_limit_that_it_comes_near() -> None:
    async with a_world() as world:
        step = calls(a_call("update_plan", '{"steps": []}'))
        world.replica(FakeLLMClient(*[step] * 4, answer("done")))
        await world.apply_walk_through(planning=True, limits={"maxTurns": 5})
        await world.apply_task()
        run: TaskRun = await world.until(is_over)
        assert run.status.phase == TaskRunPhase.FINAL_ANSWER
        told = {condition.type: condition.message for condition in run.status.conditions}
        assert told["LimitNear"] == "the run used 80 % of its limit of 5 turns (limits.maxTurns)"
        events = json.loads(await world.client.request("GET", "/api/v1/events"))["items"]
        assert [event["reason"] for event in events].count("LimitNear") == 1


async def test_the_cost_of_sub_agents_counts_against_their_parents_limit() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(asks_two(), answer("seen"), answer("seen too"), answer("never asked for")))
        await a_pair(world, AgentLimits(max_cost="0.000037"))
        run = await world.until(is_over)
        assert run.status.error == "the run and its sub-agents reached its limit of 0.000037 US dollars"
        assert run.status.usage is not None
        assert run.status.sub_agent_usage is not None
        assert (run.status.usage.cost, run.status.sub_agent_usage.cost) == ("0.0000125", "0.000025")


async def test_a_limit_of_cost_that_cannot_hold_ends_the_run_before_its_first_call() -> None:
    async with a_world() as world:
        model = FakeLLMClient(answer("never asked for"))
        world.replica(model)
        await world.apply_walk_through(limits={"maxCost": "1"})
        patch = {"spec": {"parameters": {"model": "of-nobody"}}}
        await world.client.patch(resources.LLMS, NAMESPACE, "gpt-4o", patch)
        await world.apply_task()
        run = await world.until(is_over)
        text = 'limits.maxCost cannot hold: no price is known for LLM "gpt-4o": set its prices'
        assert (run.status.phase, run.status.error) == (TaskRunPhase.FAILED, text)
        assert model.calls == []
