"""The history of a Task on a real engine: what is beyond its limit goes, and a server that refuses that is told of."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from kubechain.api.task import Task
from kubechain.controllers import resources
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.refusing import ANSWERS, refuse
from test.controllers.test_durability import is_over
from test.controllers.world import NAMESPACE, World, a_world


async def rerun(world: World, name: str) -> None:
    await world.apply("taskruns", {"metadata": {"name": name}, "spec": {"taskRef": {"name": "hello"}}})
    await world.until(is_over, name)


async def names(world: World) -> list[str]:
    return sorted(run.metadata.name for run in await world.client.list(resources.TASK_RUNS, NAMESPACE))


def has_counted(succeeded: int) -> Callable[[Task], bool]:
    return lambda task: task.status.runs is not None and task.status.runs.succeeded == succeeded


async def test_older_answers_go_and_the_task_keeps_the_newest() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(*(answer(text) for text in ("one", "two", "three", "four"))))
        await world.apply_walk_through()
        await world.apply_task(historyLimit={"succeeded": 2})
        await world.until(is_over)
        for name in ("hello-2", "hello-3", "hello-4"):
            await rerun(world, name)
        task = await world.task_until(lambda task: task.status.output == "four" and has_counted(2)(task))
        assert await names(world) == ["hello-3", "hello-4"]
        assert task.status.last_run is not None
        assert task.status.last_run.name == "hello-4"


async def test_a_limit_that_is_set_later_is_acted_on_and_none_deletes_nothing() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(answer("done")))
        await world.apply_walk_through()
        await world.apply_task()
        await world.until(is_over)
        for name in ("hello-2", "hello-3"):
            await rerun(world, name)
        await world.task_until(has_counted(3))
        patch = {"spec": {"historyLimit": {"succeeded": 0}}}
        await world.client.patch(resources.TASKS, NAMESPACE, "hello", patch)
        await world.task_until(has_counted(1))
        assert await names(world) == ["hello-3"]
        task = await world.client.get(resources.TASKS, NAMESPACE, "hello")
        assert (task.status.status, task.status.output) == ("Ready", "done")


async def pruned(world: World) -> list[str]:
    """The messages of events about deleted runs, each as often as it was told."""
    raw = await world.client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/events")
    items = json.loads(raw)["items"]
    return [event["message"] for event in items if event["reason"] in ("HistoryPruned", "HistoryNotPruned")]


def deletes(name: str) -> Callable[[str, str, Any], bool]:
    return lambda method, target, body: method == "DELETE" and target.endswith(f"/taskruns/{name}")


async def test_a_run_that_another_controller_holds_is_deleted_once_and_counted_until_it_is_gone() -> None:
    async with a_world() as world:
        replica = world.replica(FakeLLMClient(answer("done")))
        await world.apply_walk_through()
        await world.apply_task(historyLimit={"succeeded": 1})
        await world.until(is_over)
        hold = {"metadata": {"finalizers": ["example.com/hold"]}}
        await world.client.patch(resources.TASK_RUNS, NAMESPACE, "hello-1", hold)
        await rerun(world, "hello-2")
        await world.until(lambda run: run.metadata.deletion_timestamp is not None)
        await world.task_until(has_counted(2))
        free = {"metadata": {"finalizers": None}}
        await world.client.patch(resources.TASK_RUNS, NAMESPACE, "hello-1", free)
        await world.task_until(has_counted(1))
        assert [write for write in replica.exchange.writes if "DELETE" in write and "hello-1" in write] == [
            f"DELETE /apis/kubechain.humanlayer.dev/v1alpha1/namespaces/{NAMESPACE}/taskruns/hello-1 200"
        ]


@pytest.mark.parametrize("why", ["a policy (403)", "no right (403)", "a webhook (403)"])
async def test_a_deletion_that_is_refused_is_told_and_keeps_no_other_run_and_nothing_of_the_task(why: str) -> None:
    async with a_world() as world:
        replica = world.replica(FakeLLMClient(answer("done")))
        wire = refuse(replica, deletes("hello-1"), ANSWERS[why])
        await world.apply_walk_through()
        await world.apply_task(historyLimit={"succeeded": 1})
        await world.until(is_over)
        for name in ("hello-2", "hello-3"):
            await rerun(world, name)
        task = await world.task_until(has_counted(2))
        assert await names(world) == ["hello-1", "hello-3"]
        assert (task.status.status, task.status.ready) == ("Ready", True)
        wire.is_on = False
        await world.task_until(has_counted(1))
        told = await pruned(world)
        assert 'Deleted TaskRun "hello-1" (FinalAnswer): historyLimit keeps newer ones' in told
        assert any(text.startswith('the API server refuses the deletion of TaskRun "hello-1"') for text in told)
