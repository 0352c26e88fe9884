"""What a Task writes: once where its run is quick, twice where it goes on, and its run is made once in both."""

from __future__ import annotations

import pytest

from kubechain.api.task import LastRunPhase, Task
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.task.created import QUIET_SECONDS
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import a_call
from test.controllers.oneserver import ASKED, SILENT, Connect, OneServer, an_agent_that_looks
from test.controllers.test_tool_turns import ADD
from test.controllers.world import NAMESPACE, Replica, World, a_world


def last_phase(task: Task) -> LastRunPhase | None:
    return task.status.last_run.phase if task.status.last_run else None


def is_answered(task: Task) -> bool:
    return last_phase(task) == LastRunPhase.FINAL_ANSWER


async def started(world: World, model: FakeLLMClient) -> list[str]:
    """A Task whose Agent is ready; returns the writes from then on."""
    replica = world.replica(model)
    await world.apply_walk_through()
    await world.agent_until(lambda agent: bool(agent.status.ready))
    replica.exchange.writes.clear()
    await world.apply_task()
    return replica.exchange.writes


@pytest.mark.parametrize(
    ("latency_seconds", "task_writes"),
    [
        pytest.param(QUIET_SECONDS / 2, 1, id="a run that ends at once is said once"),
        pytest.param(QUIET_SECONDS * 2, 2, id="a run that goes on is said when it does"),
    ],
)
async def test_a_task_says_its_run_and_its_end(latency_seconds: float, task_writes: int) -> None:
    async with a_world() as world:
        writes = await started(world, FakeLLMClient(answer("It has none."), latency_seconds=latency_seconds))
        task = await world.task_until(is_answered)
        assert task.status.output == "It has none."
        assert [line.split()[0] for line in writes if "/taskruns" in line] == ["POST", "PUT", "PUT"]
        assert len([line for line in writes if "/tasks/" in line]) == task_writes, writes
        assert len(writes) == 3 + task_writes


async def test_a_run_that_is_deleted_before_its_task_has_said_it_is_not_made_again() -> None:
    model = FakeLLMClient(answer("It has none."))
    model.hold()
    async with a_world() as world:
        writes = await started(world, model)
        await world.until(_waits_for_its_model)
        assert not [line for line in writes if "/tasks/" in line], "the Task keeps quiet"
        await world.client.request(
            "DELETE", f"/apis/kubechain.humanlayer.dev/v1alpha1/namespaces/{NAMESPACE}/taskruns/hello-1"
        )
        task = await world.task_until(lambda task: last_phase(task) == LastRunPhase.DELETED)
        assert task.status.status_detail == 'TaskRun "hello-1" was deleted'
        assert [line.split()[0] for line in writes if "/taskruns" in line].count("POST") == 1


async def test_a_call_of_a_function_costs_eight_writes() -> None:
    async with a_world() as world:
        replica = world.replica(FakeLLMClient(calls(a_call("add", '{"a": 2, "b": 3}')), answer("five")))
        await world.apply_walk_through(tools=[{"name": "add"}])
        await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD})
        assert len(await writes_of_a_task(world, replica)) == 8


async def test_a_call_that_acts_outside_costs_nine_writes(connect: Connect) -> None:
    connect(OneServer(SILENT, []))
    async with a_world() as world:
        replica = world.replica(FakeLLMClient(ASKED, answer("done")))
        await an_agent_that_looks(world)
        assert len(await writes_of_a_task(world, replica)) == 9


async def writes_of_a_task(world: World, replica: Replica) -> list[str]:
    """All that a Task costs, its run and calls included; the finalizer of a call that acts outside apart."""
    await world.agent_until(lambda agent: bool(agent.status.ready))
    replica.exchange.writes.clear()
    await world.apply_task()
    await world.task_until(is_answered)
    return [line for line in replica.exchange.writes if not line.startswith("PATCH")]


async def test_the_next_manager_says_the_run_of_one_that_died_before_it_did() -> None:
    model = FakeLLMClient(answer("It has none."))
    model.hold()
    async with a_world() as world:
        writes = await started(world, model)
        await world.until(_waits_for_its_model)
        world.replicas[0].crash()
        assert not [line for line in writes if "/tasks/" in line], "the Task kept quiet"
        successor = world.replica(FakeLLMClient(answer("It has none.")), "pod-a_2")
        await world.task_until(is_answered)
        assert not [line for line in successor.exchange.writes if line.startswith("POST")]


def _waits_for_its_model(run: TaskRun) -> bool:
    return run.status.phase == "SendContextWindowToLLM"
