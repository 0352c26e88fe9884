"""Two managers that own half of the keys each: every run ends, and everybody writes only what he owns."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from kubechain.api.taskrun import TaskRunPhase
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.controllers import resources
from kubechain.llm.client import Completion
from kubechain.llm.fake import Call, FakeLLMClient, answer, calls
from kubechain.runtime.controller import Builder, Controller, Reconciler
from kubechain.runtime.keys import Request
from test.controllers.builders import a_call
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import ADD
from test.controllers.world import NAMESPACE, Replica, World, a_world

IDENTITIES = ("pod-a_1", "pod-b_1")
TASKS = tuple(f"task-{number}" for number in range(8))
DELEGATES = "Go and see."
SCOUT = "You look at things."


def owner(name: str) -> str:
    """Who owns the keys of this name, of whatever kind: a run and its calls may have different owners."""
    return IDENTITIES[zlib.crc32(name.encode()) % len(IDENTITIES)]


@pytest.fixture
def shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each controller that is made from now on has the key filter of its manager."""
    complete = Builder.complete

    def complete_with_filter(self: Any, reconciler: Reconciler) -> Controller:
        def owns(request: Request) -> bool:
            return owner(request.name) == self._host.identity

        return complete(self.only(owns), reconciler)

    monkeypatch.setattr(Builder, "complete", complete_with_filter)


def think(call: Call) -> Completion:
    """Call one tool, then answer: the scout at once, the others by what they are asked."""
    system, question = call.messages[0].content, call.messages[1].content
    if system == SCOUT or call.messages[-1].role == "tool":
        return answer("seen")
    if question == DELEGATES:
        return calls(a_call("delegate_to_agent__scout", '{"message": "Look."}'))
    return calls(a_call("add", '{"a": 2, "b": 3}'))


async def started(world: World, model: FakeLLMClient) -> list[Replica]:
    replicas = [world.replica(model, identity) for identity in IDENTITIES]
    await world.apply_walk_through(tools=[{"name": "add"}], subAgents=[{"name": "scout"}])
    await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD})
    await world.apply(
        "agents", {"metadata": {"name": "scout"}, "spec": {"llmRef": {"name": "gpt-4o"}, "system": SCOUT}}
    )
    for number, task in enumerate(TASKS):
        await world.apply_task(task, message=DELEGATES if number % 2 else "Add.")
    return replicas


def written_by(replica: Replica) -> list[tuple[str, str]]:
    """The objects whose status the replica wrote, as (plural, name)."""
    paths = [line.split()[1].split("/") for line in replica.exchange.writes if line.startswith("PUT")]
    return [(path[-3], path[-2]) for path in paths if path[-1] == "status"]


@pytest.mark.usefixtures("shards")
async def test_two_managers_with_half_of_the_keys_each_finish_all_runs() -> None:
    model = FakeLLMClient(think)
    async with a_world() as world:
        replicas = await started(world, model)
        runs = [await world.until(is_over, f"{task}-1") for task in TASKS]
        assert {(run.status.phase, run.status.output) for run in runs} == {(TaskRunPhase.FINAL_ANSWER, "seen")}
        children = [await world.run(f"{task}-1-t0-c0-run") for task in TASKS[1::2]]
        assert {child.status.phase for child in children} == {TaskRunPhase.FINAL_ANSWER}
        found = await world.client.list(resources.TOOL_CALLS, NAMESPACE)
        assert {call.status.phase for call in found} == {ToolCallPhase.SUCCEEDED}
        assert len(found) == len(TASKS)
        # Two turns for each task, one for each delegation: nobody called the model for a run of the other.
        assert len(model.calls) == 2 * len(TASKS) + len(children)
        for replica, identity in zip(replicas, IDENTITIES, strict=True):
            written = written_by(replica)
            assert {owner(name) for _, name in written} == {identity}
            assert {"taskruns", "taskruntoolcalls", "tasks"} <= {plural for plural, _ in written}
        executions = [(call.metadata.name, call.status.execution) for call in found]
        assert all(one is None or one.holder == owner(name) for name, one in executions)


@pytest.mark.usefixtures("shards")
async def test_what_one_manager_spends_of_a_budget_holds_up_the_runs_of_the_other() -> None:
    model = FakeLLMClient(answer("done"))
    names = {owner(name): name for name in (f"run-{number}" for number in range(8))}
    assert names.keys() == set(IDENTITIES)
    first, second = names.values()
    async with a_world() as world:
        for identity in IDENTITIES:
            world.replica(model, identity)
        await world.apply_walk_through()
        await world.apply("budgets", {"metadata": {"name": "team"}, "spec": {"maxTokens": 1}})
        await world.budget_until(lambda budget: budget.status.ready)
        spec = {"agentRef": {"name": "my-assistant"}, "userMessage": "What is the capital of the moon?"}
        await world.apply("taskruns", {"metadata": {"name": first}, "spec": spec})
        await world.until(is_over, first)
        await world.apply("taskruns", {"metadata": {"name": second}, "spec": spec})
        held = await world.until(lambda run: run.status.waiting_for_budget == "team", second)
        assert held.status.completion_time is None
        assert len(model.calls) == 1
