"""What wakes a reconcile, how many run, and what happens with results and errors."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
import structlog

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.controller import Controller, Result, SyncTimeout, controller
from kubechain.runtime.errors import Conflict, RetryableError, TerminalError, TransportError
from kubechain.runtime.keys import Request
from kubechain.runtime.loop import STARTS
from kubechain.runtime.manager import Manager
from kubechain.runtime.resource import metadata_only
from test.runtime.fake_apiserver import FakeApiServer, failure
from test.runtime.widgets import PARTS, PARTS_PATH, WIDGETS, WIDGETS_PATH, Widget, a_widget

Act = Callable[[Request], Awaitable[Result]]


class Recorded:
    """A reconciler that notes when it runs and then does what the test says."""

    def __init__(self, act: Act | None = None) -> None:
        self.act = act
        self.at: list[float] = []
        self.keys: list[str] = []
        self.running = 0
        self.most = 0

    async def reconcile(self, request: Request) -> Result:
        self.at.append(asyncio.get_running_loop().time())
        self.keys.append(str(request))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await self.act(request) if self.act else Result()
        finally:
            self.running -= 1


@asynccontextmanager
async def running(manager: Manager) -> AsyncGenerator[None]:
    """Run a manager for a while, and stop it in order."""
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await asyncio.sleep(0.5)
        yield
        manager.stop()


def a_manager(server: FakeApiServer) -> Manager:
    return Manager(server, clock=LoopClock())


def owned_by(name: str, *, is_controller: bool = True, kind: str = "Widget") -> dict[str, object]:
    owner = {"apiVersion": "example.com/v1", "kind": kind, "name": name, "uid": "u", "controller": is_controller}
    return {"ownerReferences": [owner]}


async def test_old_and_new_owners_are_woken_and_mere_references_are_not() -> None:
    server, reconciler = FakeApiServer(), Recorded()
    server.put(PARTS_PATH, a_widget("p", kind="Part", metadata=owned_by("old")))
    manager = a_manager(server)
    controller(manager, "widget").for_(WIDGETS).owns(PARTS).complete(reconciler)
    async with running(manager):
        reconciler.keys.clear()
        server.put(PARTS_PATH, a_widget("p", kind="Part", metadata=owned_by("new")))
        server.put(PARTS_PATH, a_widget("q", kind="Part", metadata=owned_by("other", is_controller=False)))
        server.put(PARTS_PATH, a_widget("r", kind="Part", metadata=owned_by("alien", kind="Gadget")))
        await asyncio.sleep(1)
    assert sorted(reconciler.keys) == ["default/new", "default/old"]


async def test_a_watched_kind_wakes_what_the_map_names_and_a_failing_map_harms_nothing() -> None:
    server, reconciler = FakeApiServer(), Recorded()
    manager = a_manager(server)

    def to_widgets(part: Widget) -> list[Request]:
        if part.metadata.name == "bad":
            raise RuntimeError("a defect")
        return [Request("default", str(part.spec["for"]))]

    controller(manager, "widget").for_(WIDGETS).watches(PARTS, map=to_widgets).complete(reconciler)
    async with running(manager):
        server.put(PARTS_PATH, a_widget("bad", kind="Part"))
        server.put(PARTS_PATH, a_widget("p", kind="Part", spec={"for": "a"}))
        await asyncio.sleep(1)
        server.put(PARTS_PATH, a_widget("p", kind="Part", spec={"for": "b"}))
        await asyncio.sleep(1)
    assert reconciler.keys == ["default/a", "default/b", "default/a"]


async def test_metadata_only_watches_never_hold_the_data() -> None:
    server, reconciler = FakeApiServer(), Recorded()
    server.put(PARTS_PATH, a_widget("p", kind="Part", spec={"password": "hunter2"}))
    manager = a_manager(server)
    lister = manager.metadata_lister(PARTS)
    controller(manager, "widget").for_(WIDGETS).watches(
        metadata_only(PARTS), map=lambda part: [Request("default", part.metadata.name)]
    ).complete(reconciler)
    async with running(manager):
        assert reconciler.keys == ["default/p"]
        assert [part.metadata.name for part in lister.list()] == ["p"]
        held = manager.informer(metadata_only(PARTS)).store.get(Request("default", "p"))
        assert held is not None
        assert b"hunter2" not in held.raw
    watch = next(sent for sent in server.sent if sent.method == "WATCH" and "parts" in sent.target)
    assert "PartialObjectMetadata" in watch.headers["accept"]


async def test_a_thousand_ready_keys_leave_the_event_loop_to_others_between_their_beginnings() -> None:
    server = FakeApiServer()
    for number in range(1000):
        server.put(WIDGETS_PATH, a_widget(f"w{number}"))
    manager = a_manager(server)
    turn, begun = 0, Counter[int]()

    async def count_turns() -> None:
        nonlocal turn
        while len(recorded.keys) < 1000:
            turn += 1
            await asyncio.sleep(0)

    async def wait(_: Request) -> Result:
        begun[turn] += 1
        await asyncio.sleep(1)
        return Result()

    recorded = Recorded(wait)
    controller(manager, "widgets").for_(WIDGETS).with_(workers=1000).complete(recorded)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(count_turns())
        async with running(manager):
            await asyncio.sleep(5)
    assert sum(begun.values()) == 1000
    assert max(begun.values()) <= 2 * STARTS


async def test_at_most_the_workers_run_at_once_and_one_a_key() -> None:
    server = FakeApiServer()

    async def slow(request: Request) -> Result:
        await asyncio.sleep(10)
        return Result()

    reconciler = Recorded(slow)
    for number in range(20):
        server.put(WIDGETS_PATH, a_widget(f"w{number}"))
    manager = a_manager(server)
    controller(manager, "widget").for_(WIDGETS).with_(workers=4).complete(reconciler)
    async with running(manager):
        for _ in range(5):
            server.put(WIDGETS_PATH, a_widget("w0", spec={"again": True}))
            await asyncio.sleep(1)
        await asyncio.sleep(200)
        assert reconciler.most == 4
        assert reconciler.keys.count("default/w0") == 2
        assert len(reconciler.keys) == 21


OUTCOMES: list[tuple[str, Exception | Result, int, tuple[float, float]]] = [
    ("success is not repeated", Result(), 1, (0, 0)),
    ("a wish for a time is kept", Result(requeue_after_seconds=7), 2, (7, 7)),
    ("zero means at once", Result(requeue_after_seconds=0), 2, (0, 0)),
    ("a terminal error is not repeated", TerminalError("spec"), 1, (0, 0)),
    ("a retryable error says when", RetryableError("busy", retry_after_seconds=30), 2, (30, 30)),
    ("a conflict backs off", Conflict(409), 2, (0, 0.005)),
    ("a lost connection backs off", TransportError("reset"), 2, (0, 0.005)),
    ("a defect backs off", RuntimeError("boom"), 2, (0, 0.005)),
]


@pytest.mark.parametrize(
    ("outcome", "runs", "between"), [row[1:] for row in OUTCOMES], ids=[row[0] for row in OUTCOMES]
)
async def test_what_follows_a_reconcile(outcome: Exception | Result, runs: int, between: tuple[float, float]) -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w"))

    async def first_time_only(request: Request) -> Result:
        if len(reconciler.at) > 1:
            return Result()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    reconciler = Recorded(first_time_only)
    manager = a_manager(server)
    controller(manager, "widget").for_(WIDGETS).complete(reconciler)
    async with running(manager):
        await asyncio.sleep(1000)
    assert len(reconciler.at) == runs
    assert between[0] <= reconciler.at[-1] - reconciler.at[0] <= between[1] + 1e-6


async def test_a_cancellation_from_inside_loses_no_key() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w"))

    async def cancelled_once(request: Request) -> Result:
        if len(reconciler.at) == 1:
            raise asyncio.CancelledError
        return Result()

    reconciler = Recorded(cancelled_once)
    manager = a_manager(server)
    made = controller(manager, "widget").for_(WIDGETS).complete(reconciler)
    async with running(manager):
        await asyncio.sleep(1)
        assert len(reconciler.at) == 2
        assert (made.active, made.queue.statistics().processing) == (0, 0)


async def test_a_reconcile_over_its_time_is_cut_off_and_tried_again() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w"))

    async def hangs_once(request: Request) -> Result:
        if len(reconciler.at) == 1:
            await asyncio.Event().wait()
        return Result()

    reconciler = Recorded(hangs_once)
    manager = a_manager(server)
    controller(manager, "widget").for_(WIDGETS).with_(reconcile_timeout_seconds=3).complete(reconciler)
    async with running(manager):
        await asyncio.sleep(10)
    assert reconciler.at[1] - reconciler.at[0] == pytest.approx(3, abs=0.01)


async def test_own_writes_wake_the_same_key_only_when_changes_of_others_hide_in_them() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w"))
    manager = a_manager(server)

    async def patch_blindly_once(request: Request) -> Result:
        if len(reconciler.at) == 1:
            for watch in server.watches:
                watch.deaf = True  # the foreign change is seen in the answer to our own write alone
            server.put(WIDGETS_PATH, a_widget("w", spec={"foreign": True}))
            await manager.client.patch(WIDGETS, "default", "w", {"status": {"ours": True}})
        return Result()

    reconciler = Recorded(patch_blindly_once)
    controller(manager, "widget").for_(WIDGETS).complete(reconciler)
    async with running(manager):
        await asyncio.sleep(1)
    assert len(reconciler.at) == 2


async def test_an_own_write_wakes_other_keys_at_once() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w"))
    manager = a_manager(server)

    async def make_part(request: Request) -> Result:
        part = msgspec.convert(a_widget("p", kind="Part", metadata=owned_by("w")), Widget)
        if manager.lister(PARTS).get("default", "p") is None:
            await manager.client.create(PARTS, part)
        return Result()

    widgets, parts = Recorded(make_part), Recorded()
    controller(manager, "widget").for_(WIDGETS).owns(PARTS).complete(widgets)
    controller(manager, "part").for_(PARTS).complete(parts)
    async with running(manager):
        await asyncio.sleep(1)
    assert (widgets.keys, parts.keys) == (["default/w"], ["default/p"])


async def test_an_own_write_to_another_object_of_the_same_kind_wakes_that_object() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w"))
    manager = a_manager(server)

    async def make_another(request: Request) -> Result:
        if manager.lister(WIDGETS).get("default", "v") is None:
            await manager.client.create(WIDGETS, msgspec.convert(a_widget("v"), Widget))
        return Result()

    reconciler = Recorded(make_another)
    controller(manager, "widget").for_(WIDGETS).complete(reconciler)
    async with running(manager):
        await asyncio.sleep(1)
    assert reconciler.keys == ["default/w", "default/v"]


async def test_an_own_write_wakes_another_controller_for_an_object_of_the_same_name() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w"))
    manager = a_manager(server)

    async def make_part(request: Request) -> Result:
        if manager.lister(PARTS).get("default", "w") is None:
            await manager.client.create(PARTS, msgspec.convert(a_widget("w", kind="Part"), Widget))
        return Result()

    widgets, parts = Recorded(make_part), Recorded()
    controller(manager, "widget").for_(WIDGETS).complete(widgets)
    controller(manager, "part").for_(PARTS).complete(parts)
    async with running(manager):
        await asyncio.sleep(1)
    assert (widgets.keys, parts.keys) == (["default/w"], ["default/w"])


async def test_an_own_write_after_the_reconcile_that_began_it_wakes_its_key() -> None:
    server, tasks = FakeApiServer(), set[asyncio.Task[None]]()
    server.put(WIDGETS_PATH, a_widget("w"))
    manager = a_manager(server)

    async def patch_later() -> None:
        await asyncio.sleep(5)
        await manager.client.patch(WIDGETS, "default", "w", {"spec": {"late": True}}, resource_version="101")

    async def leave_a_task(request: Request) -> Result:
        if not tasks:
            tasks.add(asyncio.create_task(patch_later()))
        return Result()

    reconciler = Recorded(leave_a_task)
    controller(manager, "widget").for_(WIDGETS).complete(reconciler)
    async with running(manager):
        await asyncio.sleep(10)
        assert [task.exception() for task in tasks] == [None]
    assert reconciler.keys == ["default/w"] * 2


async def test_no_reconcile_before_every_cache_is_filled() -> None:
    server, reconciler = FakeApiServer(), Recorded()
    server.put(WIDGETS_PATH, a_widget("w"))
    server.fails = lambda sent: failure(503, "ServiceUnavailable") if "parts" in sent.target else None
    manager = a_manager(server)
    controller(manager, "widget").for_(WIDGETS).owns(PARTS).complete(reconciler)
    async with running(manager):
        await asyncio.sleep(60)
        assert reconciler.keys == []
        server.fails = lambda sent: None
        await asyncio.sleep(100)
        assert reconciler.keys == ["default/w"]


async def test_a_cache_that_never_fills_ends_the_manager_and_is_named() -> None:
    server = FakeApiServer()
    server.fails = lambda sent: failure(403, "Forbidden", "not allowed") if "parts" in sent.target else None
    manager = a_manager(server)
    controller(manager, "widget").for_(WIDGETS).owns(PARTS).complete(Recorded())
    with pytest.raises(ExceptionGroup) as caught:
        await manager.run()
    assert caught.group_contains(SyncTimeout, match=r"Part: watch parts\.example\.com: Forbidden: not allowed")


async def test_each_reconcile_binds_its_names_for_the_log() -> None:
    server, seen = FakeApiServer(), list[dict[str, str]]()
    server.put(WIDGETS_PATH, a_widget("w"))

    async def note(request: Request) -> Result:
        seen.append(structlog.contextvars.get_contextvars())
        return Result()

    manager = a_manager(server)
    controller(manager, "widget").for_(WIDGETS).complete(Recorded(note))
    async with running(manager):
        await asyncio.sleep(1)
    assert {name: seen[0][name] for name in ("controller", "namespace", "name")} == {
        "controller": "widget",
        "namespace": "default",
        "name": "w",
    }
    assert len(seen[0]["reconcile_id"]) == 16


async def test_a_stop_says_how_much_it_leaves_to_whoever_comes_next() -> None:
    server = FakeApiServer()
    for number in range(10):
        server.put(WIDGETS_PATH, a_widget(f"w{number}"))

    async def slow(request: Request) -> Result:
        await asyncio.sleep(5)
        return Result()

    reconciler = Recorded(slow)
    manager = a_manager(server)
    controller(manager, "widget").for_(WIDGETS).with_(workers=4).complete(reconciler)
    with structlog.testing.capture_logs() as logs:
        async with running(manager):
            pass
    (left,) = [entry for entry in logs if entry["event"] == "stopped with keys in the queue"]
    assert (left["controller"], left["ready"], len(reconciler.keys)) == ("widget", 6, 4)


async def test_a_stop_lets_work_in_flight_finish_and_cuts_off_what_takes_too_long() -> None:
    server, ended = FakeApiServer(), list[str]()
    for name in ("short", "long"):
        server.put(WIDGETS_PATH, a_widget(name))

    async def work(request: Request) -> Result:
        try:
            await asyncio.sleep(5 if request.name == "short" else 500)
        except asyncio.CancelledError:
            ended.append(f"{request.name} cut off")
            raise
        ended.append(f"{request.name} done")
        return Result()

    manager = a_manager(server)
    made: Controller = controller(manager, "widget").for_(WIDGETS).with_(drain_seconds=20).complete(Recorded(work))
    async with running(manager):
        assert made.active == 2
    assert ended == ["short done", "long cut off"]
    assert asyncio.get_running_loop().time() < 30
