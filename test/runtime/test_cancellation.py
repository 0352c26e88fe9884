"""A worker that is cancelled at any of its awaits leaves nothing behind: no key, slot, lock, write, task or wake-up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.controller import Controller, Result, controller
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager
from test.examples import examples
from test.runtime.fake_apiserver import FakeApiServer, failure
from test.runtime.virtual_time import VirtualTimeLoop
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, a_widget

WORKERS = 3


class Cut:
    """Awaits a coroutine, and cancels the task at its `at`-th await; 0 is before its first step."""

    def __init__(self, inner: Coroutine[Any, Any, Any], at: int) -> None:
        self.inner = inner
        self.at = at
        self.awaits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self.inner.__await__()
        try:
            waits_for = next(inner)
            while True:
                self.awaits += 1
                if self.awaits == self.at:
                    task = asyncio.current_task()
                    assert task is not None
                    task.cancel()
                try:
                    sent = yield waits_for
                except BaseException as error:
                    waits_for = inner.throw(error)
                else:
                    waits_for = inner.send(sent)
        except StopIteration as end:
            return end.value


class Scissors:
    """A task factory that cuts workers off: the n-th one at the await that the plan says."""

    def __init__(self, plan: dict[int, int]) -> None:
        self.plan = plan
        self.workers: list[Cut] = []

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, *, context: Context | None = None
    ) -> asyncio.Task[Any]:
        if getattr(coroutine, "__qualname__", "") != "Controller._work":
            return asyncio.Task(coroutine, loop=loop, context=context)
        at = self.plan.get(len(self.workers), -1)
        cut = Cut(coroutine, at)
        self.workers.append(cut)
        if at != 0:
            return asyncio.Task(_of(cut), loop=loop, context=context)
        task = asyncio.Task(coroutine, loop=loop, context=context)
        task.cancel()
        return task


async def _of(cut: Cut) -> Any:
    return await cut


class Busy:
    """Copies `spec.n` to the status, by way of everything that a reconciler may hold while it waits."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.lister = manager.lister(WIDGETS)
        self.recorder = manager.recorder("busy")
        self.lock = asyncio.Lock()
        self.inside = 0

    async def reconcile(self, request: Request) -> Result:
        held = self.lister.get(request.namespace, request.name)
        if held is None or held.status.get("n") == held.spec["n"]:
            return Result()
        self.inside += 1
        try:
            async with self.lock:
                live = await self.manager.client.get(WIDGETS, request.namespace, request.name)
            async with asyncio.timeout(5), asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0.2))
                await self.manager.client.patch(WIDGETS, request.namespace, request.name, {"spec": {"seen": True}})
            await asyncio.sleep(0.1)
            live = await self.manager.client.get(WIDGETS, request.namespace, request.name)
            done = msgspec.structs.replace(live, status={"n": live.spec["n"]})
            self.recorder.event(await self.manager.client.update_status(WIDGETS, done), "Normal", "Done", "It is done")
        finally:
            self.inside -= 1
        return Result()


async def _story(plan: dict[int, int]) -> list[int]:
    """Change objects while workers are cut off, check what is left, and return how often each worker awaited."""
    server = FakeApiServer()
    server.delay_seconds = 0.02
    server.failures.append(failure(429, "TooManyRequests"))
    scissors = Scissors(plan)
    manager = Manager(server, clock=LoopClock())
    reconciler = Busy(manager)
    made = controller(manager, "busy").for_(WIDGETS).with_(workers=WORKERS).complete(reconciler)
    asyncio.get_running_loop().set_task_factory(scissors)
    running = asyncio.create_task(manager.run())
    await manager.wait_synced()
    await asyncio.sleep(1)
    tasks = len(asyncio.all_tasks())
    for number in range(3):
        for name in ("a", "b"):
            _set(server, name, number)
        await asyncio.sleep(0.15)
    await asyncio.sleep(20)  # longer than any backoff after so few failures
    _nothing_is_held(made, reconciler)
    assert len(asyncio.all_tasks()) == tasks
    assert _copied(server) == {"a": 2, "b": 2}
    _set(server, "a", 99)
    await asyncio.sleep(5)
    assert _copied(server) == {"a": 99, "b": 2}
    manager.stop()
    await running
    return [cut.awaits for cut in scissors.workers]


def _copied(server: FakeApiServer) -> dict[str, int]:
    return {name: obj["status"].get("n", -1) for (path, _, name), obj in server.objects.items() if path == WIDGETS_PATH}


def _set(server: FakeApiServer, name: str, number: int) -> None:
    held = server.objects.get((WIDGETS_PATH, "default", name), {})
    server.put(WIDGETS_PATH, {**a_widget(name, spec={"n": number}), "status": held.get("status", {})})


def _nothing_is_held(made: Controller, reconciler: Busy) -> None:
    now = made.queue.statistics()
    assert (now.ready, now.processing, now.delayed, now.failing) == (0, 0, 0, 0)
    assert (now.unfinished_seconds, made.active, reconciler.inside) == (0, 0, 0)
    assert not reconciler.lock.locked()
    assert made._slots._value == WORKERS - 1  # pyright: ignore[reportPrivateUsage]  one waits for the next key
    store = reconciler.manager.informer(WIDGETS).store
    assert (store._in_flight, store._delayed_events) == ({}, {})  # pyright: ignore[reportPrivateUsage]
    metrics = reconciler.manager.metrics.exposition().decode()
    assert 'controller_runtime_active_workers{controller="busy"} 0.0' in metrics


def _tell(plan: dict[int, int]) -> list[int]:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_story(plan))


def test_a_worker_that_is_cut_off_at_any_await_leaves_nothing_behind() -> None:
    awaits = _tell({})
    assert sum(awaits) > 15
    for worker, count in enumerate(awaits):
        for at in range(count + 1):
            _tell({worker: at})


@given(st.dictionaries(st.integers(0, 12), st.integers(0, 12), max_size=10))
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
def test_however_many_are_cut_off_the_work_is_done_in_the_end(plan: dict[int, int]) -> None:
    _tell(plan)


async def test_a_controller_that_is_cancelled_sets_no_timer_and_takes_no_key() -> None:
    server = FakeApiServer()
    manager = Manager(server, clock=LoopClock())
    reconciler = Busy(manager)
    made = controller(manager, "busy").for_(WIDGETS).complete(reconciler)
    informer = asyncio.create_task(manager.informer(WIDGETS).run())
    running = asyncio.create_task(made.run())
    for name in ("a", "b"):
        _set(server, name, 1)
    await asyncio.sleep(0.05)
    assert made.active == 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    ready = len(made.queue)
    _set(server, "c", 1)
    await asyncio.sleep(400)
    assert (made.active, made.queue.statistics().processing, len(made.queue)) == (0, 0, ready)
    assert made.queue._timer is None  # pyright: ignore[reportPrivateUsage]
    informer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await informer
