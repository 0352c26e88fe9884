"""Properties of election and controller over every order of events that Hypothesis can think of."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.controller import Result, controller
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager
from test.runtime.fake_apiserver import FakeApiServer
from test.runtime.test_leaderelection import Link, Replica
from test.runtime.virtual_time import VirtualTimeLoop
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, a_widget

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

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
@settings(QUICK, max_examples=150)
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
