"""Store and reflector against a server that misbehaves: never back in time, and equal to the server after quiet."""

from __future__ import annotations

import asyncio
import json
import random
import re
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubechain.runtime import reflector
from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import ApiError, TransportError
from kubechain.runtime.informer import Informers
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Change
from kubechain.runtime.transport import Reply
from test.examples import examples
from test.runtime.fake_apiserver import FakeApiServer, Sent, failure
from test.runtime.virtual_time import VirtualTimeLoop
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, Widget, a_widget, widget

KEYS = (("one", "a"), ("one", "b"), ("two", "a"))
"""Namespace and name."""
QUIET_SECONDS = 400.0
"""Longer than the longest backoff and the idle limit together."""

ACTIONS = (
    "create", "change", "delete", "recreate", "own create", "own change", "own delete", "own blind patch",
    "break", "close", "expire", "fail", "silence", "wait", "lag", "replay",
)  # fmt: skip

Plan = list[tuple[str, tuple[str, str]]]

actions: st.SearchStrategy[Plan] = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.sampled_from(KEYS)), min_size=3, max_size=60
)
scopes = st.sampled_from(((), ("one", "two")))
"""One watch for everything, or one for each namespace."""


class Watcher:
    """Follows the changes of a store and checks each against what it told before."""

    def __init__(self) -> None:
        self.view: dict[Request, tuple[str, int]] = {}
        self.last: dict[Request, int] = {}
        self.violations: list[str] = []

    def __call__(self, change: Change[Any]) -> None:
        try:
            self._follow(change)
        except AssertionError as error:  # noted, because a reflector goes on whatever a handler raises
            self.violations.append(f"{change.key}: {error}")

    def _follow(self, change: Change[Any]) -> None:
        known = self.view.get(change.key)
        if change.old is None:
            assert known is None, "added twice"
        else:
            assert known == (change.old.metadata.uid, change.old.metadata.version), "old is not what was told"
        if change.new is None:
            del self.view[change.key]
            return
        now = (change.new.metadata.uid, change.new.metadata.version)
        assert now[1] > self.last.get(change.key, 0), "went back in time, or came back from the dead"
        self.last[change.key] = now[1]
        if known is not None:
            assert known[0] == now[0], "a new object needs a deletion of the old one first"
        self.view[change.key] = now


class World:
    """A server, an informer on it, a client, and a hand that does things to them."""

    def __init__(self, *, watch_list: bool, namespaces: tuple[str, ...], seed: int) -> None:
        self.server = FakeApiServer(watch_list=watch_list)
        self.clock = LoopClock(seed=seed)
        self.informers = Informers(exchange=self.server, clock=self.clock, namespaces=namespaces)
        self.informer = self.informers.of(WIDGETS)
        self.client = Client(self.server, clock=self.clock, observer=self.informers)
        self.watcher = Watcher()
        self.informer.add_handler(self.watcher)
        self.informer.store.add_index("color", lambda obj: [str(obj.spec.get("color", ""))])
        self.random = random.Random(seed)
        self.count = 0

    async def act(self, action: str, namespace: str, name: str) -> None:
        key = (WIDGETS_PATH, namespace, name)
        self.count += 1
        spec = {"color": self.random.choice(["red", "blue"]), "n": self.count}
        match action:
            case "create" | "change":
                self.server.put(WIDGETS_PATH, a_widget(name, namespace=namespace, spec=spec))
            case "delete" if key in self.server.objects:
                self.server.remove(*key)
            case "recreate":
                if key in self.server.objects:
                    self.server.remove(*key)
                self.server.put(WIDGETS_PATH, a_widget(name, namespace=namespace, spec=spec))
            case "wait":
                await asyncio.sleep(self.random.uniform(0, 20))
            case _ if action.startswith("own "):
                await self._own(action, namespace, name, spec)
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
            case "replay":  # a replica that is behind tells again what was told
                for _, change, _, obj in self.server.history[-self.random.randint(1, 6) :]:
                    self.server.say_in(obj["metadata"]["namespace"], {"type": change, "object": obj})
            case "silence":
                for watch in self.server.watches:  # what was sent from here on never arrives
                    watch.deaf = True
            case _:
                pass

    async def _own(self, action: str, namespace: str, name: str, spec: dict[str, Any]) -> None:
        """Write through the client; a read from the cache right after is never older."""
        try:
            match action:
                case "own create":
                    self._seen(await self.client.create(WIDGETS, widget(name, namespace=namespace, spec=spec)))
                case "own change":
                    held = await self.client.get(WIDGETS, namespace, name)
                    changed = Widget(metadata=held.metadata, api_version=held.api_version, kind=held.kind, spec=spec)
                    self._seen(await self.client.update(WIDGETS, changed))
                case "own blind patch":
                    self._seen(await self.client.patch(WIDGETS, namespace, name, {"spec": spec}))
                case _:
                    held = await self.client.get(WIDGETS, namespace, name)
                    await self.client.delete(WIDGETS, namespace, name)
                    cached = self.informer.lister.metadata(namespace, name)
                    assert cached is None or cached.uid != held.metadata.uid
        except (ApiError, TransportError):
            return

    def _seen(self, written: Widget) -> None:
        cached = self.informer.lister.metadata(written.metadata.namespace, written.metadata.name)
        assert cached is not None
        assert cached.version >= written.metadata.version

    def check(self) -> None:
        """The store, what handlers were told, and the index all equal the server."""
        truth = {Request(namespace, name): obj for (_, namespace, name), obj in self.server.objects.items()}
        cached = {_key(obj): obj for obj in self.informer.lister.list()}
        assert {key: obj.spec for key, obj in cached.items()} == {key: obj["spec"] for key, obj in truth.items()}
        versions = {
            key: (obj["metadata"]["uid"], int(obj["metadata"]["resourceVersion"])) for key, obj in truth.items()
        }
        assert self.watcher.violations == []
        assert self.watcher.view == versions
        assert self.informer.store.statistics()["tombstones"] == 0
        for color in ("red", "blue"):
            indexed = {_key(obj) for obj in self.informer.lister.by_index("color", color)}
            assert indexed == {key for key, obj in truth.items() if obj["spec"]["color"] == color}


def _key(obj: Widget) -> Request:
    return Request(obj.metadata.namespace, obj.metadata.name)


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


async def _play(plan: Plan, *, watch_list: bool, namespaces: tuple[str, ...], seed: int) -> None:
    world = World(watch_list=watch_list, namespaces=namespaces, seed=seed)
    running = asyncio.create_task(world.informer.run())
    for action, (namespace, name) in plan:
        await world.act(action, namespace, name)
        await asyncio.sleep(world.random.choice([0, 0, 0.1]))
    world.server.failures.clear()
    world.server.cache_lag = 0
    await asyncio.sleep(QUIET_SECONDS)
    world.check()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@given(plan=actions, watch_list=st.booleans(), namespaces=scopes, seed=st.integers(0, 1000))
@settings(max_examples=examples(600), suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_the_store_ends_equal_to_the_server(
    plan: Plan, watch_list: bool, namespaces: tuple[str, ...], seed: int
) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_play(plan, watch_list=watch_list, namespaces=namespaces, seed=seed))


# --- WatchList, a list from the cache and a consistent list in pages end in the same store

PAGE = 3

objects = st.lists(st.tuples(st.sampled_from(("one", "two")), st.sampled_from("abcdefgh")), unique=True, max_size=12)
meanwhile = st.lists(st.tuples(st.integers(0, 6), st.sampled_from(("put", "remove")), st.sampled_from("abcdefgh")))
"""At which request something happens, what, and to which object of namespace `one`."""

WAYS = ("WatchList", "rv=0", "a stale rv=0", "pages", "pages, the second expires")


class Happening(FakeApiServer):
    """A server to which things happen at given requests."""

    def __init__(self, way: str, meanwhile: list[tuple[int, str, str]]) -> None:
        super().__init__(watch_list=way == "WatchList")
        self.way, self.meanwhile = way, meanwhile
        self.expires = way == "pages, the second expires"
        self.fails = self._fail
        self.lists: list[str] = []

    def _fail(self, sent: Sent) -> Reply | Exception | None:
        number = len(self.sent) - 1
        for _, what, name in [one for one in self.meanwhile if one[0] == number]:
            self.happen(what, name)
        if sent.method == "GET":
            self.lists.append(sent.target)
        if self.way.startswith("pages") and "resourceVersion=" in sent.target and sent.method == "GET":
            return failure(504, "Timeout", "Too large resource version", causes=("ResourceVersionTooLarge",))
        if self.expires and "continue=" in sent.target:
            self.expires = False
            self.expire()
            return failure(410, "Expired", "The provided continue parameter is too old")
        return None

    def happen(self, what: str, name: str) -> None:
        key = (WIDGETS_PATH, "one", name)
        if what == "put":
            self.put(WIDGETS_PATH, a_widget(name, namespace="one", spec={"version": self.version}))
        elif key in self.objects:
            self.remove(*key)


async def _fill(way: str, objects: list[tuple[str, str]], meanwhile: list[tuple[int, str, str]]) -> Happening:
    """Start a cache, let it settle, and return the server that it was compared with."""
    server = Happening(way, meanwhile)
    for namespace, name in objects:
        server.put(WIDGETS_PATH, a_widget(name, namespace=namespace))
    server.cache_lag = len(objects) // 2 if way == "a stale rv=0" else 0
    informer = Informers(exchange=server, clock=LoopClock()).of(WIDGETS)
    running = asyncio.create_task(informer.run())
    await informer.wait_synced()
    server.meanwhile = []
    await asyncio.sleep(1)
    kept = {Request(held.metadata.namespace, held.metadata.name): held.raw for held in informer.store.scan()}
    truth = {
        Request(namespace, name): informer.store.stored(json.dumps(obj).encode()).raw
        for (_, namespace, name), obj in server.objects.items()
    }
    assert kept == truth
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    return server


@pytest.mark.parametrize("way", WAYS)
@given(objects=objects, meanwhile=meanwhile)
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
def test_each_way_to_the_first_state_ends_in_the_state_of_the_server(
    way: str, objects: list[tuple[str, str]], meanwhile: list[tuple[int, str, str]]
) -> None:
    with mock.patch.object(reflector, "PAGE_LIMIT", PAGE), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_fill(way, objects, meanwhile))


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        pytest.param("WatchList", [], id="WatchList needs no list"),
        pytest.param("rv=0", ["resourceVersion=0"], id="from the cache, in one piece"),
        pytest.param(
            "pages, the second expires",
            ["resourceVersion=0", "limit=3", "limit=3&continue=", "limit=3", *["limit=3&continue="] * 3],
            id="in pages, begun again",
        ),
    ],
)
def test_each_way_is_the_one_that_it_says(way: str, expected: list[str]) -> None:
    objects = [("one", name) for name in "abcdefghij"]
    with mock.patch.object(reflector, "PAGE_LIMIT", PAGE), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        server = runner.run(_fill(way, objects, []))
    queries = [target.partition("?")[2] for target in server.lists]
    assert [re.sub("continue=.*", "continue=", query) for query in queries] == expected
