"""When a run is followed that is not there yet: the first run of a Task comes, another one does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kubechain.api.conditions import RUN_CREATED
from kubechain.api.meta import KubeModel
from kubechain.cli import expecting, following
from kubechain.cli.clusters import Place
from kubechain.controllers.resources import TASK_RUNS, TASKS
from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import NotFound
from kubechain.runtime.resource import Resource
from test.controllers.builders import a_task
from test.runtime.fake_apiserver import FakeApiServer, Reply, Sent, failure
from test.views.builders import a_run

NOW = "2026-11-30T00:00:00Z"

BEGUN = {
    "type": RUN_CREATED,
    "status": "True",
    "reason": "TaskRunCreated",
    "message": "",
    "observedGeneration": 1,
    "lastTransitionTime": NOW,
}


def collection(resource: Resource[Any]) -> str:
    return resource.path(None).strip("/")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the server is a fake without events
            await asyncio.sleep(0)


class Cluster:
    """An API server, and what is said to the person who follows `hello-1`."""

    def __init__(self) -> None:
        self.server, self.said = FakeApiServer(), list[str]()
        self.place = Place(Client(self.server, clock=LoopClock()), "ns")

    def put(self, resource: Resource[Any], obj: KubeModel, **changes: Any) -> None:
        """Create or change an object as somebody else would."""
        content = obj.model_dump(mode="json", by_alias=True, exclude_none=True) | changes
        content["metadata"] |= {"namespace": "ns", "uid": "u"}
        self.server.put(collection(resource), content)

    def put_task(self, **changes: Any) -> None:
        self.put(TASKS, a_task("hello", status=None), **changes)

    def put_run(self) -> None:
        self.put(TASK_RUNS, a_run("hello-1", phase="FinalAnswer", output="Done."))

    async def followed(self) -> str:
        return (await following.follow(self.place, "hello-1", lambda _: False, self.said.append)).output

    async def while_waiting(self, happens: Callable[[], None]) -> str:
        """Follow, and let something happen once the Task and its run are watched."""
        following_it = asyncio.create_task(self.followed())
        await until(lambda: len(self.server.watches) == 2)
        happens()
        return await following_it


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def test_a_run_that_is_there_is_followed(cluster: Cluster) -> None:
    cluster.put_run()
    assert await cluster.followed() == "Done."


async def test_the_first_run_of_a_task_is_waited_for(cluster: Cluster) -> None:
    cluster.put_task()
    assert await cluster.while_waiting(cluster.put_run) == "Done."
    assert cluster.said == []


async def test_who_waits_long_is_told_for_what(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expecting, "TOLD_AFTER_SECONDS", 0.0)
    cluster.put_task()
    waiting = asyncio.create_task(cluster.followed())
    await until(lambda: bool(cluster.said))
    assert cluster.said == ["task/hello has not made taskrun/hello-1 yet: is the manager running?"]
    cluster.put_run()
    assert await waiting == "Done."


def it_is_deleted(cluster: Cluster) -> None:
    cluster.server.remove(collection(TASKS), "ns", "hello")


def its_deletion_begins(cluster: Cluster) -> None:
    cluster.put_task(metadata={"name": "hello", "deletionTimestamp": NOW})


def its_run_was_made_and_deleted(cluster: Cluster) -> None:
    cluster.put_task(status={"conditions": [BEGUN]})


@pytest.mark.parametrize("happens", [it_is_deleted, its_deletion_begins, its_run_was_made_and_deleted])
async def test_a_task_that_makes_no_run_any_more_ends_the_waiting(
    cluster: Cluster, happens: Callable[[Cluster], None]
) -> None:
    cluster.put_task()
    with pytest.raises(NotFound, match="hello-1"):
        await cluster.while_waiting(lambda: happens(cluster))


async def test_a_run_that_nobody_will_make_is_not_found(cluster: Cluster) -> None:
    with pytest.raises(NotFound, match="hello-1"):
        await cluster.followed()
    assert not [sent for sent in cluster.server.sent if sent.method == "WATCH"]


async def test_who_may_not_read_tasks_is_told_that_there_is_no_run(cluster: Cluster) -> None:
    def refused(sent: Sent) -> Reply | None:
        return failure(403, "Forbidden") if "/tasks" in sent.target else None

    cluster.put_task()
    cluster.server.fails = refused
    with pytest.raises(NotFound, match="hello-1"):
        await cluster.followed()


async def test_a_watch_that_is_refused_ends_the_waiting(cluster: Cluster) -> None:
    def refused(sent: Sent) -> Reply | None:
        return failure(403, "Forbidden") if "fieldSelector" in sent.target else None

    cluster.put_task()
    cluster.server.fails = refused
    with pytest.raises(Exception, match="Forbidden"):
        await cluster.followed()
