"""What a Task writes: once where its run is quick, twice where it goes on, and its run is made once in both."""

from __future__ import annotations

import pytest

from kubechain.api.task import LastRunPhase, Task
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.task.created import QUIET_SECONDS
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.world import NAMESPACE, World, a_world


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


def _waits_for_its_model(run: TaskRun) -> bool:
    return run.status.phase == "SendContextWindowToLLM"
