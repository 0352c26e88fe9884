"""The manager as a whole, on a fake API server: order of start and stop, election, own writes, idle cost."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
import pytest

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.controller import Result, controller
from kubechain.runtime.errors import TransportError
from kubechain.runtime.informer import Informer
from kubechain.runtime.keys import Request
from kubechain.runtime.leaderelection import LeadershipLost
from kubechain.runtime.liveness import LeaseLiveness, SoleReplica
from kubechain.runtime.manager import Election, Manager, Options, new_identity
from test.runtime.fake_apiserver import FakeApiServer
from test.runtime.widgets import PARTS, PARTS_PATH, WIDGETS, WIDGETS_PATH, Widget, a_widget, widget


class Finishing:
    """Reconciles a widget by setting its status once."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.lister = manager.lister(WIDGETS)
        self.recorder = manager.recorder("widget-controller")
        self.keys: list[str] = []

    async def reconcile(self, request: Request) -> Result:
        self.keys.append(request.name)
        held = self.lister.get(request.namespace, request.name)
        if held is None or held.status:
            return Result()
        done = await self.manager.client.update_status(WIDGETS, msgspec.structs.replace(held, status={"done": 1}))
        again = self.lister.get(request.namespace, request.name)
        assert again is not None
        assert again.status == {"done": 1}, "a read after a write is never older"
        self.recorder.event(done, "Normal", "Done", "It is done")
        return Result()


def a_manager(server: FakeApiServer, *, pod: str = "pod", election: bool = False) -> Manager:
    clock = LoopClock()
    options = Options(election=Election(namespace="ns") if election else None, gc_freeze=False)
    return Manager(server, clock=clock, identity=new_identity(clock, pod=pod), pod=pod, options=options)


def a_controlled(manager: Manager) -> Finishing:
    reconciler = Finishing(manager)
    controller(manager, "widget").for_(WIDGETS).owns(PARTS).complete(reconciler)
    return reconciler


async def test_objects_are_reconciled_once_and_own_writes_wake_nobody() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("a"))
    manager = a_manager(server)
    reconciler = a_controlled(manager)
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await asyncio.sleep(10)
        assert reconciler.keys == ["a"]
        owner = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "a", "uid": "x", "controller": True}
        server.put(PARTS_PATH, a_widget("p", kind="Part", metadata={"ownerReferences": [owner]}))
        await asyncio.sleep(10)
        assert reconciler.keys == ["a", "a"]
        manager.stop()


async def test_converged_objects_cost_no_writes_however_long() -> None:
    server = FakeApiServer()
    for number in range(100):
        server.put(WIDGETS_PATH, a_widget(f"w{number}", status={"done": 1}))
    manager = a_manager(server)
    a_controlled(manager)
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await asyncio.sleep(24 * 3600)
        manager.stop()
    assert server.writes() == []


async def test_a_restart_finds_the_same_state_and_writes_nothing() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("a"))
    for expected_writes in (2, 2):  # the status and its event, once
        manager = a_manager(server)
        a_controlled(manager)
        async with asyncio.TaskGroup() as group:
            group.create_task(manager.run())
            await asyncio.sleep(10)
            manager.stop()
        assert len(server.writes()) == expected_writes


async def test_events_recorded_just_before_the_stop_are_written() -> None:
    server = FakeApiServer()
    manager = a_manager(server)

    class Last:
        async def run(self) -> None:
            await asyncio.Event().wait()

        async def drain(self) -> None:
            made = await manager.client.create(WIDGETS, widget("last"))
            manager.recorder("me").event(made, "Normal", "Bye", "The last word")

    manager.add_runnable(Last())
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await asyncio.sleep(1)
        manager.stop()
    assert [sent.method for sent in server.writes()] == ["POST", "POST"]


async def test_only_the_leader_works_and_a_stop_hands_over() -> None:
    server = FakeApiServer()
    first, second = a_manager(server, pod="one", election=True), a_manager(server, pod="two", election=True)
    works, waits = a_controlled(first), a_controlled(second)
    assert isinstance(first.liveness, LeaseLiveness)
    async with asyncio.TaskGroup() as group:
        group.create_task(first.run())
        await asyncio.sleep(1)
        group.create_task(second.run())
        await asyncio.sleep(20)
        server.put(WIDGETS_PATH, a_widget("a"))
        await asyncio.sleep(20)
        assert (works.keys, waits.keys) == (["a"], [])
        assert await second.liveness.is_gone(first.identity) is not True
        assert second.readiness.failures() == {}
        first.stop()
        await asyncio.sleep(3)
        assert waits.keys == ["a"]
        assert await second.liveness.is_gone(first.identity) is True
        second.stop()
    leases = [name for collection, _, name in server.objects if collection.endswith("leases")]
    assert leases == ["kubechain-manager"]


async def test_the_lease_is_released_only_when_the_last_reconcile_is_over() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("a"))
    first, second = a_manager(server, pod="one", election=True), a_manager(server, pod="two", election=True)
    at_work: set[str] = set()

    class Slow:
        def __init__(self, name: str) -> None:
            self.name = name

        async def reconcile(self, request: Request) -> Result:
            at_work.add(self.name)
            await asyncio.sleep(8)
            at_work.remove(self.name)
            return Result()

    for manager, name in ((first, "one"), (second, "two")):
        controller(manager, "slow").for_(WIDGETS).complete(Slow(name))
    async with asyncio.TaskGroup() as group:
        group.create_task(first.run())
        await asyncio.sleep(2)
        group.create_task(second.run())
        await asyncio.sleep(10)
        server.put(WIDGETS_PATH, a_widget("a", spec={"n": 1}))
        await asyncio.sleep(1)
        first.stop()
        seen: list[str] = []
        for _ in range(150):
            await asyncio.sleep(0.1)
            lease = server.objects["apis/coordination.k8s.io/v1/leases", "ns", "kubechain-manager"]
            assert "one" not in at_work or lease["spec"]["holderIdentity"] == first.identity
            assert len(at_work) <= 1
            seen += at_work - set(seen)
        assert seen == ["one", "two"]
        second.stop()


async def test_the_order_of_start_and_stop() -> None:
    server, story = FakeApiServer(), list[str]()
    server.put(WIDGETS_PATH, a_widget("a"))
    manager = a_manager(server, election=True)

    class Told:
        def __init__(self, name: str) -> None:
            self.name = name

        async def run(self) -> None:
            synced = "filled" if manager.informer(WIDGETS).synced else "empty"
            story.append(f"{self.name} begins, caches {synced}")
            try:
                await asyncio.Event().wait()
            finally:
                story.append(f"{self.name} ends, {len(server.watches)} watches")

        async def drain(self) -> None:
            story.append(f"{self.name} drains")
            await asyncio.sleep(1)

    class Work:
        async def reconcile(self, request: Request) -> Result:
            story.append("reconcile begins")
            await asyncio.sleep(5)
            story.append("reconcile ends")
            return Result()

    manager.add_runnable(Told("everywhere"), needs_leader=False)
    manager.add_runnable(Told("leader"))
    controller(manager, "work").for_(WIDGETS).complete(Work())
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await asyncio.sleep(3)
        manager.stop()
    assert story == [
        "everywhere begins, caches empty",
        "leader begins, caches filled",
        "reconcile begins",
        "leader drains",
        "reconcile ends",
        "leader ends, 1 watches",
        "everywhere drains",
        "everywhere ends, 1 watches",
    ]
    assert server.watches == []


async def test_a_stop_that_hangs_is_cut_off_after_its_grace_period() -> None:
    class Endless:
        async def run(self) -> None:
            await asyncio.Event().wait()

        async def drain(self) -> None:
            await asyncio.Event().wait()

    manager = a_manager(FakeApiServer())
    manager.add_runnable(Endless())
    async with asyncio.timeout(100), asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await asyncio.sleep(1)
        manager.stop()
    assert asyncio.get_running_loop().time() == pytest.approx(31, abs=0.1)


async def test_the_garbage_collector_is_set_as_asked_and_not_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []

    def note_freeze(informer: Informer[Widget]) -> None:
        done.append("freeze" if informer.synced else "too early")

    def note_threshold(*numbers: int) -> None:
        done.append(numbers)

    monkeypatch.setattr("gc.set_threshold", note_threshold)
    monkeypatch.setattr("gc.collect", lambda: done.append("collect"))
    for options, expected in (
        (Options(), []),
        (Options(gc_threshold=(1, 2, 3), gc_freeze=True), [(1, 2, 3), "collect", "freeze"]),
    ):
        server = FakeApiServer()
        manager = Manager(server, clock=LoopClock(), options=options)
        monkeypatch.setattr("gc.freeze", partial(note_freeze, manager.informer(WIDGETS)))
        async with asyncio.TaskGroup() as group:
            group.create_task(manager.run())
            await asyncio.sleep(1)
            manager.stop()
        assert done == expected


async def test_lost_leadership_ends_the_manager_with_an_error() -> None:
    server = FakeApiServer()
    manager = a_manager(server, election=True)
    a_controlled(manager)
    running = asyncio.create_task(manager.run())
    await asyncio.sleep(10)
    key = ("apis/coordination.k8s.io/v1/leases", "ns", "kubechain-manager")
    lease = server.objects[key]
    server.put(key[0], {**lease, "spec": {**lease["spec"], "holderIdentity": "thief"}})
    with pytest.raises(ExceptionGroup) as caught:
        await running
    assert caught.group_contains(LeadershipLost)


async def test_a_runnable_that_fails_ends_the_manager_and_leaves_no_task() -> None:
    server = FakeApiServer()
    manager = a_manager(server)
    a_controlled(manager)

    class Broken:
        async def run(self) -> None:
            await asyncio.sleep(5)
            raise RuntimeError("a defect")

    manager.add_runnable(Broken(), needs_leader=False)
    with pytest.raises(ExceptionGroup) as caught:
        await manager.run()
    assert caught.group_contains(RuntimeError, match="a defect", depth=1)
    assert len(asyncio.all_tasks()) == 1


async def test_everything_is_built_before_the_start() -> None:
    manager = a_manager(FakeApiServer())
    assert isinstance(manager.liveness, SoleReplica)
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await asyncio.sleep(1)
        with pytest.raises(RuntimeError, match="before the start"):
            manager.lister(WIDGETS)
        manager.stop()


async def test_stop_before_run_is_a_short_run() -> None:
    manager = a_manager(FakeApiServer())
    a_controlled(manager)
    manager.stop()
    await manager.run()
    assert asyncio.get_running_loop().time() < 1


async def test_a_server_that_is_down_at_the_start_is_waited_for_and_a_stop_is_still_obeyed() -> None:
    for comes_up in (True, False):
        server = FakeApiServer()
        server.put(WIDGETS_PATH, a_widget("a"))
        server.fails = lambda sent: TransportError("refused")
        manager = a_manager(server, election=True)
        reconciler = a_controlled(manager)
        started_at = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            group.create_task(manager.run())
            await asyncio.sleep(60)
            if comes_up:
                server.fails = lambda sent: None
                await asyncio.sleep(60)
                assert reconciler.keys == ["a"]
            manager.stop()
        assert asyncio.get_running_loop().time() - started_at < 130


def test_identities_name_the_pod_and_differ_by_process() -> None:
    one, two = LoopClock(seed=1), LoopClock(seed=2)
    assert new_identity(one, pod="pod-a").startswith("pod-a_")
    assert new_identity(one, pod="pod-a") != new_identity(two, pod="pod-a")
