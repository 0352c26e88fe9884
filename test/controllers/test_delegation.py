"""How deep agents may delegate, and that a manager with old caches starts no agent's run again."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.controllers import resources
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.runtime.errors import NotFound
from test.controllers.builders import a_call
from test.controllers.test_durability import is_over
from test.controllers.wires import StandingWatches
from test.controllers.world import NAMESPACE, World, a_world

DEPTH_MAX = 8
CHILD = "hello-1-t0-c0-run"


def delegation(agent: str) -> Any:
    return calls(a_call(f"delegate_to_agent__{agent}", '{"message": "Go and see."}'))


def named(depth: int) -> str:
    return "my-assistant" if depth == 0 else f"agent-{depth}"


async def a_hierarchy(world: World, depth: int) -> None:
    """Agents of which each may delegate to the next."""
    for level in range(depth, 0, -1):
        below = [{"name": named(level + 1)}] if level < depth else []
        spec = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things.", "subAgents": below}
        await world.apply("agents", {"metadata": {"name": named(level)}, "spec": spec})
    await world.apply_walk_through(subAgents=[{"name": named(1)}])


@pytest.mark.parametrize("depth", [DEPTH_MAX, DEPTH_MAX + 1])
async def test_agents_delegate_at_most_eight_levels_deep(depth: int) -> None:
    down = [delegation(named(level)) for level in range(1, depth + 1)]
    async with a_world() as world:
        world.replica(FakeLLMClient(*down, *[answer("seen")] * (depth + 1)))
        await a_hierarchy(world, depth)
        await world.apply_task()
        await world.until(is_over)
        runs = await world.client.list(resources.TASK_RUNS, NAMESPACE)
        errors = [call.status.error for call in await world.client.list(resources.TOOL_CALLS, NAMESPACE)]
        assert len(runs) == 1 + DEPTH_MAX
        expected = ["agents delegate to agents at most 8 levels deep"] if depth > DEPTH_MAX else []
        assert [error for error in errors if error] == expected


async def test_a_manager_with_old_caches_starts_no_agents_run_again() -> None:
    """Its caches say that the call waits for the agent; the run was made by another manager, and deleted since."""
    async with a_world() as world:
        model = FakeLLMClient(delegation("scout"), answer("seen"))
        behind = world.replica(model, "pod-b_1")
        watches = StandingWatches(behind.exchange.inner)
        behind.exchange.inner = watches
        model.hold()
        await world.apply_walk_through(subAgents=[{"name": "scout"}])
        spec = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things."}
        await world.apply("agents", {"metadata": {"name": "scout"}, "spec": spec})
        await world.apply_task()
        await model.wait_for_calls(1)
        await world.client.patch(resources.AGENTS, NAMESPACE, "scout", {"spec": {"llmRef": {"name": "nowhere"}}})
        await world.agent_until(lambda agent: agent.metadata.name == "scout" and agent.status.status == "Error")
        model.release()
        await world.call_until(lambda call: call.status.status_detail.startswith("Waiting for agent"))
        before = len(behind.exchange.writes)
        watches.held |= {"taskruns", "taskruntoolcalls", "agents", "llms"}
        slow = FakeLLMClient(answer("seen"), latency_seconds=3600)
        world.replica(slow, "pod-a_1")
        await world.client.patch(resources.AGENTS, NAMESPACE, "scout", {"spec": {"llmRef": {"name": "gpt-4o"}}})
        await slow.wait_for_calls(1)
        child = await world.run(CHILD)
        await world.client.delete(resources.TASK_RUNS, NAMESPACE, CHILD, uid=child.metadata.uid)
        watches.release("agents")
        await world.call_until(lambda call: call.status.completion_time is not None)
        for plural in ("taskruns", "taskruntoolcalls", "llms"):
            watches.release(plural)
        await world.until(is_over)
        with pytest.raises(NotFound):
            await world.run(CHILD)
        assert not [line for line in behind.exchange.writes[before:] if line.startswith("POST")]
