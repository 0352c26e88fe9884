"""The Events of a run, all of them: what `kubectl describe` shows, and what the API server stores for each run."""

from __future__ import annotations

import json

import pytest

from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import a_call
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import ADD
from test.controllers.world import NAMESPACE, World, a_world

RUN_KINDS = ("Task", "TaskRun", "TaskRunToolCall")


async def told(world: World) -> list[str]:
    """Kind and reason of each Event about the Task, its run and the run's calls, sorted."""
    raw = await world.client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/events")
    events = json.loads(raw)["items"]
    about = [(event["involvedObject"]["kind"], event["reason"]) for event in events]
    return sorted(f"{kind}: {reason}" for kind, reason in about if kind in RUN_KINDS)


async def test_a_run_without_tools_is_told_in_three_events() -> None:
    async with a_world() as world:
        replica = world.replica(FakeLLMClient(answer("It has none.")))
        await world.apply_walk_through()
        await world.agent_until(lambda agent: agent.status.ready)
        await world.apply_task()
        await world.until(is_over)
        await replica.stop()
        assert await told(world) == ["Task: TaskRunCreated", "TaskRun: LLMFinalAnswer", "TaskRun: ValidationSucceeded"]


@pytest.mark.parametrize("count", [1, 3])
async def test_a_turn_with_tool_calls_adds_one_event_and_one_for_each_call(count: int) -> None:
    asked = [a_call("add", f'{{"a": {idx}, "b": 3}}', call_id=f"id-{idx}") for idx in range(count)]
    async with a_world() as world:
        replica = world.replica(FakeLLMClient(calls(*asked), answer("done")))
        await world.apply_walk_through(tools=[{"name": "add"}])
        await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD})
        await world.agent_until(lambda agent: agent.status.ready)
        await world.apply_task()
        await world.until(is_over)
        await replica.stop()
        assert await told(world) == [
            "Task: TaskRunCreated",
            "TaskRun: LLMFinalAnswer",
            "TaskRun: ToolCallsPending",
            "TaskRun: ValidationSucceeded",
            *["TaskRunToolCall: ToolCallSucceeded"] * count,
        ]
