"""Where keys come from beside changes: triggers; and which keys are taken: the filter for shards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from kubechain.runtime.controller import Controller, Result, controller
from kubechain.runtime.errors import RetryableError
from kubechain.runtime.keys import Request
from kubechain.runtime.sources import Trigger
from test.runtime.fake_apiserver import FakeApiServer
from test.runtime.test_controller import Recorded, a_manager, running
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, a_widget


async def test_a_trigger_wakes_a_key_without_a_change() -> None:
    reconciler, trigger = Recorded(), Trigger()
    manager = a_manager(FakeApiServer())
    controller(manager, "widget").for_(WIDGETS).triggered_by(trigger).complete(reconciler)
    async with running(manager):
        trigger.enqueue(Request("default", "w"))
        trigger.enqueue(Request("default", "w"))
        await asyncio.sleep(1)
    assert reconciler.keys == ["default/w"]


async def test_keys_from_before_the_controllers_were_completed_reach_each_of_them() -> None:
    first, second, trigger = Recorded(), Recorded(), Trigger()
    manager = a_manager(FakeApiServer())
    trigger.enqueue(Request("default", "before-both"))
    controller(manager, "first").for_(WIDGETS).triggered_by(trigger).complete(first)
    trigger.enqueue(Request("default", "between"))
    controller(manager, "second").for_(WIDGETS).triggered_by(trigger).complete(second)
    trigger.enqueue(Request("default", "after-both"))
    async with running(manager):
        await asyncio.sleep(1)
    assert sorted(first.keys) == ["default/after-both", "default/before-both", "default/between"]
    assert sorted(second.keys) == sorted(first.keys)


async def test_a_trigger_keeps_no_keys_once_its_controllers_run() -> None:
    trigger, late = Trigger(), list[Request]()
    manager = a_manager(FakeApiServer())
    controller(manager, "widget").for_(WIDGETS).triggered_by(trigger).complete(Recorded())
    trigger.enqueue(Request("default", "early"))
    async with running(manager):
        trigger.enqueue(Request("default", "w"))
        trigger.feed(late.append)
    assert late == []


async def test_one_trigger_feeds_several_controllers_each_with_its_own_keys() -> None:
    servers, calls, trigger = Recorded(), Recorded(), Trigger()
    manager = a_manager(FakeApiServer())

    def calls_of(server: Request) -> Iterable[Request]:
        if server.name == "bad":
            raise RuntimeError("a defect")
        return [Request(server.namespace, "call-1"), Request(server.namespace, "call-2")]

    controller(manager, "server").for_(WIDGETS).triggered_by(trigger).complete(servers)
    controller(manager, "call").for_(WIDGETS).triggered_by(trigger, map=calls_of).complete(calls)
    async with running(manager):
        trigger.enqueue(Request("default", "bad"))
        trigger.enqueue(Request("default", "s"))
        await asyncio.sleep(1)
    assert servers.keys == ["default/bad", "default/s"]
    assert calls.keys == ["default/call-1", "default/call-2"]


async def test_a_trigger_within_the_reconcile_of_its_key_runs_it_once_more() -> None:
    trigger = Trigger()
    manager = a_manager(FakeApiServer())

    async def again_once(request: Request) -> Result:
        if len(reconciler.keys) == 1:
            trigger.enqueue(request)
        return Result()

    reconciler = Recorded(again_once)
    controller(manager, "widget").for_(WIDGETS).triggered_by(trigger).complete(reconciler)
    async with running(manager):
        trigger.enqueue(Request("default", "w"))
        await asyncio.sleep(1)
    assert reconciler.keys == ["default/w"] * 2


async def test_keys_of_other_shards_are_neither_queued_nor_reconciled() -> None:
    server, reconciler, trigger = FakeApiServer(), Recorded(), Trigger()
    for name in ("ours-1", "theirs-1"):
        server.put(WIDGETS_PATH, a_widget(name))
    manager = a_manager(server)
    made = (
        controller(manager, "widget")
        .for_(WIDGETS)
        .triggered_by(trigger)
        .only(lambda key: key.name.startswith("ours"))
        .complete(reconciler)
    )
    async with running(manager):
        for name in ("ours-2", "theirs-2"):
            server.put(WIDGETS_PATH, a_widget(name))
        for name in ("ours-3", "theirs-3"):
            trigger.enqueue(Request("default", name))
        await asyncio.sleep(1)
        assert made.queue.statistics().added_total == 3
    assert sorted(reconciler.keys) == ["default/ours-1", "default/ours-2", "default/ours-3"]


async def test_a_key_that_went_to_another_shard_is_not_requeued_after_its_reconcile() -> None:
    server, ours = FakeApiServer(), {"wish", "retry", "defect"}
    for name in sorted(ours):
        server.put(WIDGETS_PATH, a_widget(name))
    manager = a_manager(server)

    async def lose(request: Request) -> Result:
        ours.discard(request.name)
        if request.name == "retry":
            raise RetryableError("busy", retry_after_seconds=5)
        if request.name == "defect":
            raise RuntimeError("a defect")
        return Result(requeue_after_seconds=5)

    reconciler = Recorded(lose)
    made = controller(manager, "widget").for_(WIDGETS).only(lambda key: key.name in ours).complete(reconciler)
    async with running(manager):
        statistics = made.queue.statistics()
        assert (statistics.delayed, statistics.ready, statistics.failing) == (0, 0, 0)
        await asyncio.sleep(600)
    assert sorted(reconciler.keys) == ["default/defect", "default/retry", "default/wish"]


async def test_a_key_that_is_lost_while_it_waits_is_dropped_and_comes_back_with_a_resync() -> None:
    server, ours = FakeApiServer(), {"a", "b"}
    for name in ("a", "b"):
        server.put(WIDGETS_PATH, a_widget(name))
    manager = a_manager(server)

    async def slow(request: Request) -> Result:
        await asyncio.sleep(10)
        return Result()

    reconciler = Recorded(slow)
    made: Controller = (
        controller(manager, "widget")
        .for_(WIDGETS)
        .only(lambda key: key.name in ours)
        .with_(workers=1)
        .complete(reconciler)
    )
    async with running(manager):
        assert reconciler.keys == ["default/a"]
        ours.remove("b")  # while it waits for the only worker
        await asyncio.sleep(100)
        assert reconciler.keys == ["default/a"]
        ours.add("b")
        made.resync()
        await asyncio.sleep(100)
    assert reconciler.keys[1:] in (["default/a", "default/b"], ["default/b", "default/a"])
