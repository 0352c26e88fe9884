"""The manager as a whole, on a fake API server."""

from __future__ import annotations

import asyncio

import msgspec

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.controller import Result, controller
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager
from test.runtime.fake_apiserver import FakeApiServer
from test.runtime.widgets import PARTS, PARTS_PATH, WIDGETS, WIDGETS_PATH, a_widget


class Counting:
    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.seen: list[tuple[float, Request]] = []

    async def reconcile(self, request: Request) -> Result:
        self.seen.append((self.manager.clock.monotonic(), request))
        widget = self.manager.lister(WIDGETS).get(request.namespace, request.name)
        if widget is None:
            return Result()
        if not widget.status:
            written = msgspec.structs.replace(widget, status={"done": 1})
            await self.manager.client.update_status(WIDGETS, written)
            again = self.manager.lister(WIDGETS).get(request.namespace, request.name)
            assert again is not None
            assert again.status == {"done": 1}
        return Result()


async def test_objects_are_reconciled_once_and_own_writes_wake_nobody() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("a"))
    manager = Manager(server, clock=LoopClock())
    reconciler = Counting(manager)
    controller(manager, "widget").for_(WIDGETS).owns(PARTS).complete(reconciler)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(manager.run())
        await asyncio.sleep(10)
        assert [request.name for _, request in reconciler.seen] == ["a"]
        server.put(WIDGETS_PATH, a_widget("b", status={"done": 1}))
        await asyncio.sleep(10)
        assert [request.name for _, request in reconciler.seen] == ["a", "b"]
        owner = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "b", "uid": "x", "controller": True}
        server.put(PARTS_PATH, a_widget("p", kind="Part", metadata={"ownerReferences": [owner]}))
        await asyncio.sleep(10)
        assert [request.name for _, request in reconciler.seen] == ["a", "b", "b"]
        manager.stop()
        await running
