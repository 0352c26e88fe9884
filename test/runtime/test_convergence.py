"""Store and reflector against a server that misbehaves: never back in time, and equal to the server after quiet."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import ApiError, TransportError
from kubechain.runtime.informer import Informers
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Change
from kubechain.runtime.transport import Reply
from test.runtime.fake_apiserver import FakeApiServer, failure
from test.runtime.virtual_time import VirtualTimeLoop
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, Widget, a_widget, widget

NAMES = ("a", "b", "c")
QUIET_SECONDS = 400.0
"""Longer than the longest backoff and the idle limit together."""

ACTIONS = (
    "create", "change", "delete", "recreate", "own create", "own change", "own delete", "own blind patch",
    "break", "close", "expire", "fail", "silence", "wait", "lag",
)  # fmt: skip

actions = st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(NAMES)), min_size=3, max_size=60)


class Watcher:
    """Follows the changes of a store and checks each against what it told before."""

    def __init__(self) -> None:
        self.view: dict[Request, tuple[str, int]] = {}

    def __call__(self, change: Change[Any]) -> None:
        known = self.view.get(change.key)
        if change.old is None:
            assert known is None, "added twice"
        else:
            assert known == (change.old.metadata.uid, change.old.metadata.version), "old is not what was told"
        if change.new is None:
            del self.view[change.key]
            return
        now = (change.new.metadata.uid, change.new.metadata.version)
        if known is not None:
            assert known[0] == now[0], "a new object needs a deletion of the old one first"
            assert known[1] < now[1], "went back in time"
        self.view[change.key] = now


class World:
    """A server, an informer on it, a client, and a hand that does things to them."""

    def __init__(self, *, watch_list: bool, seed: int) -> None:
        self.server = FakeApiServer(watch_list=watch_list)
        self.clock = LoopClock(seed=seed)
        self.informers = Informers(exchange=self.server, clock=self.clock)
        self.informer = self.informers.of(WIDGETS)
        self.client = Client(self.server, clock=self.clock, observer=self.informers)
        self.watcher = Watcher()
        self.informer.add_handler(self.watcher)
        self.informer.store.add_index("color", lambda obj: [str(obj.spec.get("color", ""))])
        self.random = random.Random(seed)
        self.count = 0

    async def act(self, action: str, name: str) -> None:
        key = (WIDGETS_PATH, "default", name)
        self.count += 1
        spec = {"color": self.random.choice(["red", "blue"]), "n": self.count}
        match action:
            case "create" | "change":
                self.server.put(WIDGETS_PATH, a_widget(name, spec=spec))
            case "delete" if key in self.server.objects:
                self.server.remove(*key)
            case "recreate":
                if key in self.server.objects:
                    self.server.remove(*key)
                self.server.put(WIDGETS_PATH, a_widget(name, spec=spec))
            case "wait":
                await asyncio.sleep(self.random.uniform(0, 20))
            case _ if action.startswith("own "):
                await self._own(action, name, spec)
            case _:
                self._hurt(action)

    def _hurt(self, action: str) -> None:
        match action:
            case "break":
                self.server.break_watches(TransportError("reset"))
            case "close":
                self.server.break_watches()
            case "expire":
                self.server.expire()
                self.server.break_watches()
            case "fail":
                self.server.failures.append(self.random.choice(FAILURES))
            case "lag":
                self.server.cache_lag = self.random.randint(0, 5)
            case "silence":
                for watch in self.server.watches:  # what was sent from here on never arrives
                    watch.deaf = True
            case _:
                pass

    async def _own(self, action: str, name: str, spec: dict[str, Any]) -> None:
        """Write through the client; a read from the cache right after is never older."""
        try:
            match action:
                case "own create":
                    self._seen(await self.client.create(WIDGETS, widget(name, spec=spec)))
                case "own change":
                    held = await self.client.get(WIDGETS, "default", name)
                    changed = Widget(metadata=held.metadata, api_version=held.api_version, kind=held.kind, spec=spec)
                    self._seen(await self.client.update(WIDGETS, changed))
                case "own blind patch":
                    self._seen(await self.client.patch(WIDGETS, "default", name, {"spec": spec}))
                case _:
                    held = await self.client.get(WIDGETS, "default", name)
                    await self.client.delete(WIDGETS, "default", name)
                    cached = self.informer.lister.metadata("default", name)
                    assert cached is None or cached.uid != held.metadata.uid
        except (ApiError, TransportError):
            return

    def _seen(self, written: Widget) -> None:
        cached = self.informer.lister.metadata("default", written.metadata.name)
        assert cached is not None
        assert cached.version >= written.metadata.version

    def check(self) -> None:
        """The store, what handlers were told, and the index all equal the server."""
        truth = {name: obj for (_, _, name), obj in self.server.objects.items()}
        cached = {obj.metadata.name: obj for obj in self.informer.lister.list()}
        assert {name: obj.spec for name, obj in cached.items()} == {name: obj["spec"] for name, obj in truth.items()}
        versions = {
            name: (obj["metadata"]["uid"], int(obj["metadata"]["resourceVersion"])) for name, obj in truth.items()
        }
        assert {key.name: seen for key, seen in self.watcher.view.items()} == versions
        for color in ("red", "blue"):
            indexed = {obj.metadata.name for obj in self.informer.lister.by_index("color", color)}
            assert indexed == {name for name, obj in truth.items() if obj["spec"]["color"] == color}


FAILURES: list[Reply | Exception] = [
    failure(500, "InternalError"),
    failure(503, "ServiceUnavailable"),
    failure(429, "TooManyRequests", retry_after="1"),
    failure(410, "Expired"),
    failure(404, "NotFound"),
    failure(403, "Forbidden"),
    failure(200, "Garbage"),
    TransportError("reset"),
]


async def _play(plan: list[tuple[str, str]], *, watch_list: bool, seed: int) -> None:
    world = World(watch_list=watch_list, seed=seed)
    running = asyncio.create_task(world.informer.run())
    for action, name in plan:
        await world.act(action, name)
        await asyncio.sleep(world.random.choice([0, 0, 0.1]))
    world.server.failures.clear()
    world.server.cache_lag = 0
    await asyncio.sleep(QUIET_SECONDS)
    world.check()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def play(plan: list[tuple[str, str]], *, watch_list: bool, seed: int) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_play(plan, watch_list=watch_list, seed=seed))


@given(plan=actions, watch_list=st.booleans(), seed=st.integers(0, 1000))
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_the_store_ends_equal_to_the_server(
    plan: list[tuple[str, str]], watch_list: bool, seed: int
) -> None:
    play(plan, watch_list=watch_list, seed=seed)
