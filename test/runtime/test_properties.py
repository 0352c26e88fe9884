"""Properties of election and controller over every order of events that Hypothesis can think of."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.controller import Result, controller
from kubechain.runtime.errors import TransportError
from kubechain.runtime.keys import Request
from kubechain.runtime.leaderelection import LeadershipLost
from kubechain.runtime.manager import Manager
from kubechain.runtime.transport import Reply, StreamReply
from test.examples import examples
from test.runtime.fake_apiserver import FakeApiServer, Sent, failure
from test.runtime.test_leaderelection import Link, Replica
from test.runtime.virtual_time import VirtualTimeLoop
from test.runtime.widgets import PARTS, PARTS_PATH, WIDGETS, WIDGETS_PATH, a_widget, widget

QUICK = settings(max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow])

TENTHS = st.integers(0, 250)
"""Tenths of seconds: up to well over the duration of a lease."""


# --- two processes never both pass the leader check

troubles = st.sampled_from(("", "hang", "break", "lose", "503", "cancel", "cancel twice", "finish"))
"""What happens to a replica's connection from now on, or to the replica itself."""

blows = st.lists(st.tuples(st.integers(0, 1), troubles, TENTHS), max_size=14)
"""Whom it hits, what happens, and how long until the next blow."""

stubborn = st.sampled_from((0.0, 2.0, 20.0))
"""How long the work goes on after it was told to stop."""


class Rivals:
    """Two replicas that start again whenever they end."""

    def __init__(self, server: FakeApiServer, stubborn_seconds: float) -> None:
        self.server = server
        self.stubborn_seconds = stubborn_seconds
        self.links = [Link(server), Link(server)]
        self.births = 0
        self.replicas = [self._born(0), self._born(1)]

    def _born(self, number: int) -> Replica:
        self.births += 1
        replica = Replica(self.server, f"r{number}-{self.births}", link=self.links[number])
        replica.stubborn_seconds = self.stubborn_seconds
        return replica

    async def suffer(self, number: int, trouble: str) -> None:
        replica = self.replicas[number]
        match trouble:
            case "cancel" | "cancel twice":
                replica.task.cancel()
                await asyncio.sleep(0.01)
                if trouble == "cancel twice":
                    replica.task.cancel()
            case "finish":
                replica.finish.set()
            case _:
                self.links[number].trouble = trouble

    def look(self) -> None:
        """At most one passes the check, and at most one works in a living process."""
        assert sum(one.elector.is_leader and not one.killed.is_set() for one in self.replicas) <= 1
        assert sum(one.working and not one.killed.is_set() for one in self.replicas) <= 1
        for number, replica in enumerate(self.replicas):
            if replica.task.done():
                error = None if replica.task.cancelled() else replica.task.exception()
                assert error is None or isinstance(error, LeadershipLost)
                self.replicas[number] = self._born(number)

    async def stop(self) -> None:
        for link in self.links:
            link.trouble = ""
        for replica in self.replicas:
            await replica.stop()


async def _compete(blows: list[tuple[int, str, int]], stubborn_seconds: float) -> None:
    rivals = Rivals(FakeApiServer(), stubborn_seconds)
    await asyncio.sleep(3)
    for number, trouble, tenths in blows:
        await rivals.suffer(number, trouble)
        for _ in range(max(1, tenths)):
            await asyncio.sleep(0.1)
            rivals.look()
    for link in rivals.links:
        link.trouble = ""
    for _ in range(400):
        await asyncio.sleep(0.1)
        rivals.look()
    assert any(one.working for one in rivals.replicas), "nobody leads although nothing is wrong any more"
    await rivals.stop()
    assert len(asyncio.all_tasks()) == 1


@given(blows, stubborn)
@settings(QUICK, max_examples=examples(150))
def test_two_never_lead_at_once_whatever_befalls_them(
    blows: list[tuple[int, str, int]], stubborn_seconds: float
) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_compete(blows, stubborn_seconds))


# --- one worker a key, no lost wake-up, a failed or cancelled reconcile leaks nothing

NAMES = ("a", "b")
changes = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 8)), min_size=1, max_size=25)
"""Which object changes, and how many twentieths of a second pass until the next change."""

endings = st.lists(st.sampled_from(("done", "error", "cancelled", "slow", "again")), min_size=1, max_size=25)
"""How the reconciles end, one after the other, over and over."""


class Worker:
    """Notes what it saw, and ends as it is told."""

    def __init__(self, manager: Manager, script: list[str]) -> None:
        self._lister = manager.lister(WIDGETS)
        self._script = script
        self._running: Counter[Request] = Counter()
        self._count = 0
        self.is_calm = False
        self.seen: dict[str, int] = {}

    async def reconcile(self, request: Request) -> Result:
        assert self._running[request] == 0, "two workers on one key"
        self._running[request] += 1
        try:
            return await self._work(request)
        finally:
            self._running[request] -= 1

    async def _work(self, request: Request) -> Result:
        ending = "done" if self.is_calm else self._script[self._count % len(self._script)]
        self._count += 1
        await asyncio.sleep(0.3 if ending == "slow" else 0.01)
        match ending:
            case "error":
                raise RuntimeError("as told")
            case "cancelled":
                raise asyncio.CancelledError
            case "again":
                return Result(requeue_after_seconds=0.02)
            case _:
                found = self._lister.get(request.namespace, request.name)
                self.seen[request.name] = found.spec["n"] if found else -1
                return Result()


async def _change(plan: list[tuple[str, int]], script: list[str]) -> None:
    server = FakeApiServer()
    manager = Manager(server, clock=LoopClock())
    worker = Worker(manager, script)
    made = controller(manager, "widget").for_(WIDGETS).with_(workers=2).complete(worker)
    running = asyncio.create_task(manager.run())
    last: dict[str, int] = {}
    for number, (name, pause) in enumerate(plan):
        server.put(WIDGETS_PATH, a_widget(name, spec={"n": number}))
        last[name] = number
        await asyncio.sleep(pause / 20)
    worker.is_calm = True
    await asyncio.sleep(700)  # an early retry may be drawn again and again, so any backoff can reach its bound
    assert worker.seen == last, "a wake-up was lost"
    statistics = made.queue.statistics()
    assert (made.active, statistics.ready, statistics.processing) == (0, 0, 0)
    manager.stop()
    await running


@given(plan=changes, script=endings)
@QUICK
def test_the_last_change_of_each_key_is_seen_whatever_became_of_the_reconciles_before(
    plan: list[tuple[str, int]], script: list[str]
) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_change(plan, script))


# --- dropping the echoes of our own writes drops no change of others

WRITES = ("none", "cached", "live", "blind", "twice", "the other one", "recreate")

steps = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 6)), min_size=1, max_size=20)
"""Which object somebody else changes, and how many twentieths of a second until the next change."""

writes = st.lists(st.sampled_from(WRITES), min_size=1, max_size=20)
"""How the reconciles write, one after the other, over and over."""


class Late(FakeApiServer):
    """Events and replies come late, independently of each other; now and then a reply is lost."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.is_calm = False

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        await asyncio.sleep(self.chance.choice((0, 0.01, 0.1)))
        reply = await super().send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)
        await asyncio.sleep(self.chance.choice((0, 0.01, 0.1)))
        if not self.is_calm and self.chance.random() < 0.1:
            raise TransportError("the reply is lost")
        return reply

    @asynccontextmanager
    async def stream(self, target: str, **options: Any) -> AsyncGenerator[StreamReply]:
        async with super().stream(target, **options) as reply:
            yield LateStream(reply, self.chance)


class LateStream:
    """Lines that linger."""

    def __init__(self, inner: StreamReply, chance: random.Random) -> None:
        self._inner, self._chance = inner, chance
        self.status, self.headers = inner.status, inner.headers

    @property
    def lines(self) -> AsyncIterator[bytes]:
        return self._lines(self._inner.lines)

    async def read(self) -> bytes:
        return await self._inner.read()

    async def _lines(self, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for line in lines:
            await asyncio.sleep(self._chance.choice((0, 0, 0.02, 0.2)))
            yield line


class Writer:
    """Notes what others wrote to each object, and writes in ways that hide changes of others if anything does."""

    def __init__(self, manager: Manager, script: list[str]) -> None:
        self._lister, self._client = manager.lister(WIDGETS), manager.client
        self._script = script
        self.count = 0
        self.seen: dict[str, int] = {}

    async def reconcile(self, request: Request) -> Result:
        held = self._lister.get(*request)
        if held is None:
            return Result()
        self.seen[request.name] = held.spec["n"]
        how = self._script[self.count % len(self._script)]
        self.count += 1
        done = {"n": held.spec["n"]}
        match how:
            case "cached" if held.status != done:
                await self._client.update_status(WIDGETS, msgspec.structs.replace(held, status=done))
            case "live":
                live = await self._client.get(WIDGETS, *request)
                if live.status != done:
                    await self._client.update_status(WIDGETS, msgspec.structs.replace(live, status=done))
            case "blind" if held.status != done:
                await self._client.patch(WIDGETS, *request, {"status": done})
            case "twice" if held.status != done:
                made = await self._client.patch(WIDGETS, *request, {"spec": {"mark": self.count}})
                await self._client.update_status(WIDGETS, msgspec.structs.replace(made, status=done))
            case "the other one" if held.status != done:
                other = NAMES[1 - NAMES.index(request.name)]
                if self._lister.get(request.namespace, other) is not None:
                    await self._client.patch(WIDGETS, request.namespace, other, {"metadata": {"labels": {"by": "us"}}})
            case "recreate" if self.count < 20:
                await self._client.delete(WIDGETS, *request, uid=held.metadata.uid)
                anew = widget(request.name, spec=held.spec)
                await self._client.create(WIDGETS, anew)
            case _:
                pass
        return Result()


async def _echo(plan: list[tuple[str, int]], script: list[str], seed: int) -> None:
    server = Late(seed)
    manager = Manager(server, clock=LoopClock(seed=seed))
    writer = Writer(manager, script)
    controller(manager, "widget").for_(WIDGETS).complete(writer)
    running = asyncio.create_task(manager.run())
    last: dict[str, int] = {}
    for number, (name, pause) in enumerate(plan):
        held = server.objects.get((WIDGETS_PATH, "default", name), {})
        server.put(WIDGETS_PATH, {**a_widget(name, spec={"n": number}), "status": held.get("status", {})})
        last[name] = number
        await asyncio.sleep(pause / 20)
    server.is_calm = True
    await asyncio.sleep(400)
    there = {name: obj["spec"]["n"] for (path, _, name), obj in server.objects.items() if path == WIDGETS_PATH}
    assert {name: writer.seen.get(name) for name in there} == there, "a change of somebody else was dropped"
    assert there == last or "recreate" in script
    count, before = writer.count, server.version
    await asyncio.sleep(400)
    assert (writer.count, server.version) == (count, before), "our own echoes keep us awake"
    manager.stop()
    await running


@given(plan=steps, script=writes, seed=st.integers(0, 1000))
@settings(QUICK, max_examples=examples(200))
def test_dropping_own_echoes_drops_no_change_of_others(
    plan: list[tuple[str, int]], script: list[str], seed: int
) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_echo(plan, script, seed))


# --- no reconcile before the sync barrier

GADGETS = replace(PARTS, kind="Gadget", plural="gadgets")
GADGETS_PATH = "apis/example.com/v1/gadgets"

starts = st.lists(
    st.tuples(
        st.sampled_from(("widgets", "parts", "gadgets")), st.sampled_from(("503", "403", "410", "reset", "slow"))
    ),
    max_size=12,
)
"""What goes wrong with the first requests for each kind, one after the other."""


class Starting(FakeApiServer):
    """Gives each kind its troubles first."""

    def __init__(self, troubles: list[tuple[str, str]], *, watch_list: bool) -> None:
        super().__init__(watch_list=watch_list)
        self.troubles = troubles
        self.fails = self._fail

    def _fail(self, sent: Sent) -> Reply | Exception | None:
        mine = next((one for one in self.troubles if f"/{one[0]}" in sent.target), None)
        if mine is None:
            return None
        self.troubles.remove(mine)
        match mine[1]:
            case "reset":
                return TransportError("reset")
            case "slow":
                self.initial_end = False
                asyncio.get_running_loop().call_later(5, setattr, self, "initial_end", True)
                return None
            case code:
                return failure(int(code), {"410": "Expired", "403": "Forbidden"}.get(code, "ServiceUnavailable"))


async def _start(troubles: list[tuple[str, str]], watch_list: bool) -> None:
    server = Starting(list(troubles), watch_list=watch_list)
    for path, kind in ((WIDGETS_PATH, "Widget"), (PARTS_PATH, "Part"), (GADGETS_PATH, "Gadget")):
        for name in NAMES:
            server.put(path, a_widget(name, kind=kind))
    manager = Manager(server, clock=LoopClock())
    looks: list[tuple[bool, list[int]]] = []

    class Looking:
        async def reconcile(self, request: Request) -> Result:
            seen = [len(manager.lister(one).list()) for one in (WIDGETS, PARTS, GADGETS)]
            looks.append((all(one.synced for one in manager.informers()), seen))
            return Result()

    manager.lister(GADGETS)  # read by the reconciler, although nobody listens to it
    controller(manager, "widget").for_(WIDGETS).owns(PARTS).with_(sync_timeout_seconds=4000).complete(Looking())
    running = asyncio.create_task(manager.run())
    await asyncio.sleep(3000)
    assert looks == [(True, [2, 2, 2])] * 2
    manager.stop()
    await running


@given(troubles=starts, watch_list=st.booleans())
@QUICK
def test_no_reconcile_before_every_cache_has_its_first_list(troubles: list[tuple[str, str]], watch_list: bool) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_start(troubles, watch_list))
