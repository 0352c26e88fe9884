"""An API server that goes back to an earlier state, as after a restore of etcd, is noticed; the caches follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import Conflict, TransportError
from kubechain.runtime.informer import Informer, Informers
from test.runtime.fake_apiserver import FakeApiServer
from test.runtime.widgets import PARTS, PARTS_PATH, WIDGETS, WIDGETS_PATH, Widget, a_widget, widget


@dataclass(frozen=True, slots=True)
class World:
    """A server, two caches on it, and the client whose writes they know."""

    server: FakeApiServer
    widgets: Informer[Widget]
    parts: Informer[Widget]
    client: Client

    def seen(self) -> dict[str, str]:
        """The version of each widget and part in the caches, by name."""
        items = [*self.widgets.lister.list(), *self.parts.lister.list()]
        return {item.metadata.name: item.metadata.resource_version or "" for item in items}

    def kept(self) -> dict[str, str]:
        """The same, as the server has it."""
        return {key[2]: obj["metadata"]["resourceVersion"] for key, obj in self.server.objects.items()}


@asynccontextmanager
async def restored(*, watch_list: bool) -> AsyncGenerator[World]:
    """A server that has gone back by some versions without a word, its streams silent."""
    server = FakeApiServer(watch_list=watch_list)
    server.put(WIDGETS_PATH, a_widget("old"))
    server.put(PARTS_PATH, a_widget("part", kind="Part"))
    backup = server.version
    for number in range(5):
        server.put(WIDGETS_PATH, a_widget("old", spec={"size": number}))
    server.put(WIDGETS_PATH, a_widget("lost"))
    server.put(PARTS_PATH, a_widget("lost-part", kind="Part"))
    informers = Informers(exchange=server, clock=LoopClock())
    world = World(
        server, informers.of(WIDGETS), informers.of(PARTS), Client(server, clock=LoopClock(), observer=informers)
    )
    running = [asyncio.create_task(informer.run()) for informer in informers]
    await asyncio.sleep(1)
    server.restore(backup)
    try:
        yield world
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)


@pytest.fixture(params=[True, False], ids=["by a watch list", "by lists"])
def watch_list(request: pytest.FixtureRequest) -> bool:
    return request.param


async def assert_noticed(world: World, logs: list[EventDict]) -> None:
    await asyncio.sleep(5)
    assert world.seen() == world.kept()
    told = [line for line in logs if "went back in time" in str(line["event"])]
    assert [line["log_level"] for line in told] == ["warning"]
    world.server.put(PARTS_PATH, a_widget("new", kind="Part"))
    await asyncio.sleep(1)
    assert "new" in world.seen()


async def test_a_create_whose_version_is_past_has_all_caches_read_again(watch_list: bool) -> None:
    with capture_logs() as logs:
        async with restored(watch_list=watch_list) as world:
            await world.client.create(WIDGETS, widget("made"))
            await assert_noticed(world, logs)


async def test_a_write_that_conflicts_with_an_older_object_has_all_caches_read_again(watch_list: bool) -> None:
    with capture_logs() as logs:
        async with restored(watch_list=watch_list) as world:
            held = world.widgets.lister.get("default", "old")
            assert held is not None
            with pytest.raises(Conflict):
                await world.client.update(WIDGETS, held)
            await assert_noticed(world, logs)


async def test_a_watch_that_broke_has_the_versions_compared_before_it_goes_on(watch_list: bool) -> None:
    with capture_logs() as logs:
        async with restored(watch_list=watch_list) as world:
            world.server.break_watches(TransportError("reset"))
            await assert_noticed(world, logs)


async def test_what_we_deleted_before_the_restore_is_seen_again() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w"))
    backup = server.version
    informers = Informers(exchange=server, clock=LoopClock())
    informer = informers.of(WIDGETS)
    running = asyncio.create_task(informer.run())
    await asyncio.sleep(1)
    await Client(server, clock=LoopClock(), observer=informers).delete(WIDGETS, "default", "w")
    server.restore(backup)
    server.break_watches(TransportError("reset"))
    await asyncio.sleep(5)
    assert [each.metadata.name for each in informer.lister.list()] == ["w"]
    running.cancel()
    await asyncio.wait([running])


async def test_an_ordinary_conflict_reads_nothing_again() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w"))
    informers = Informers(exchange=server, clock=LoopClock())
    informer = informers.of(WIDGETS)
    running = asyncio.create_task(informer.run())
    await asyncio.sleep(1)
    held = informer.lister.get("default", "w")
    assert held is not None
    server.put(WIDGETS_PATH, a_widget("w", spec={"size": 2}))
    with pytest.raises(Conflict):
        await Client(server, clock=LoopClock(), observer=informers).update(WIDGETS, held)
    await asyncio.sleep(60)
    assert [reflector.relist_count for reflector in informer.reflectors] == [1]
    running.cancel()
    await asyncio.wait([running])
