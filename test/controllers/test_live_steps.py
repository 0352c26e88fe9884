"""A Task and a TaskRun create objects only for what the server has now, whatever their caches say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from kubechain.api.meta import StatusObject
from kubechain.api.taskrun import PendingToolCall, TaskRun, TaskRunPhase
from kubechain.controllers import resources
from kubechain.controllers.frame import StatusWriter
from kubechain.controllers.task.created import CreatedRuns
from kubechain.controllers.task.observe import Observer as TaskObserver
from kubechain.controllers.task.reconciler import TaskReconciler
from kubechain.controllers.taskrun.observe import Observed
from kubechain.controllers.taskrun.reconciler import TaskRunReconciler
from kubechain.runtime.errors import NotFound
from kubechain.runtime.keys import Request
from test.controllers.builders import NAMESPACE, NOW, a_run, a_task, an_agent, observed
from test.controllers.task.builders import started

REQUEST = Request(NAMESPACE, "hello-1")
NOTHING = cast(Any, None)


class Cached:
    """A lister with these objects and no others."""

    def __init__(self, *objects: StatusObject[Any, Any]) -> None:
        self._objects = {one.metadata.name: one for one in objects}

    def get(self, namespace: str, name: str) -> Any:
        return self._objects.get(name)

    def by_index(self, index: str, value: str) -> list[Any]:
        return []


@dataclass
class Server:
    """An API server with one object, or none."""

    found: StatusObject[Any, Any] | None
    created: list[str] = field(default_factory=list[str])

    async def get(self, resource: Any, namespace: str, name: str) -> Any:
        if self.found is None:
            raise NotFound(404, "NotFound", "gone")
        return self.found

    async def create(self, resource: Any, obj: StatusObject[Any, Any]) -> Any:
        assert obj.metadata.name not in self.created, "created twice"
        self.created.append(obj.metadata.name)
        return obj

    async def update_status(self, resource: Any, obj: StatusObject[Any, Any]) -> Any:
        self.found = obj
        return obj


class Silent:
    """A recorder that drops events."""

    def event(self, obj: Any, event_type: str, reason: str, message: str, *, is_end: bool = False) -> None:
        pass


class Now:
    """A clock that stands still."""

    def now(self) -> Any:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def writer_to(server: Server, resource: Any) -> StatusWriter[Any]:
    return StatusWriter(resource, cast(Any, server), Silent())


OVER = a_run(phase=TaskRunPhase.FINAL_ANSWER)


async def test_a_task_with_an_old_cache_does_not_bring_its_deleted_run_back() -> None:
    cached = a_task(status=None)
    server = Server(started().with_status(observed_generation=1))
    writer, clock = writer_to(server, resources.TASKS), cast(Any, Now())
    created = CreatedRuns(clock)
    observer = TaskObserver(cast(Any, Cached(an_agent())), cast(Any, Cached()), created, clock)
    reconciler = TaskReconciler(cast(Any, Cached(cached)), observer, created, writer, clock)
    await reconciler.reconcile(Request(NAMESPACE, "hello"))
    assert server.created == []
    server.found = cached
    await reconciler.reconcile(Request(NAMESPACE, "hello"))
    assert server.created == ["hello-1"]


class TurnObserver:
    """Sees a run whose tool calls are in no cache."""

    async def observe(self, run: TaskRun) -> Observed:
        return observed(run, now=NOW + timedelta(seconds=1))


class Queue:
    """A queue that is not asked."""

    def reconciling(self, run: Request) -> Any:
        return pytest.MonkeyPatch.context()


@pytest.mark.parametrize(
    "live",
    [
        pytest.param(OVER.with_status(completion_time=NOW), id="the turn is over on the server"),
        pytest.param(None, id="the run is gone"),
    ],
)
async def test_a_run_with_an_old_cache_creates_no_tool_call_again(live: TaskRun | None) -> None:
    pending = PendingToolCall(idx=0, tool_call_id="call_1", name="launch", arguments="{}", args_sha="sha")
    cached = a_run(phase=TaskRunPhase.TOOL_CALLS_PENDING, pending_turn=(pending,))
    server = Server(live)
    writer = writer_to(server, resources.TASK_RUNS)
    queue, observer = cast(Any, Queue()), cast(Any, TurnObserver())
    reconciler = TaskRunReconciler(
        cast(Any, Cached(cached)), observer, NOTHING, queue, NOTHING, NOTHING, writer, NOTHING, cast(Any, Now())
    )
    await reconciler.reconcile(REQUEST)
    assert server.created == []
