"""Whole managers that share, on virtual time: who works on what while replicas come, stop, die and lose the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count, groupby

import pytest

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.controller import Result, controller
from kubechain.runtime.errors import TransportError
from kubechain.runtime.keys import Request
from kubechain.runtime.leaderelection import LeadershipLost
from kubechain.runtime.liveness import lease_name
from kubechain.runtime.manager import Election, Manager, Options, new_identity
from kubechain.runtime.shards.model import ANNOTATION, bucket_of
from kubechain.runtime.transport import Reply, StreamReply
from test.runtime.fake_apiserver import FakeApiServer
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, a_widget

COUNT = 100
LEASES_PATH = "apis/coordination.k8s.io/v1/leases"
MAP = "kubechain-manager-shards"
SEEDS = count()


def never(method: str, target: str) -> bool:
    del method, target
    return False


class Cable:
    """The way of one replica to the server; may be cut, or be so slow for some requests that their sender gives up.

    Attributes:
        on_its_way: Sends each of those requests, which arrives at last.
    """

    def __init__(self, server: FakeApiServer) -> None:
        self.server = server
        self.is_cut = False
        self.is_late: Callable[[str, str], bool] = never
        self.on_its_way: list[Callable[[], Awaitable[Reply]]] = []

    def cut(self) -> None:
        self.is_cut = True
        self.server.break_watches(TransportError("connection reset"))

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        if self.is_cut:
            raise TransportError("no route to host")
        send = partial(
            self.server.send, method, target, headers=headers, body=body, timeout_seconds=timeout_seconds
        )  # fmt: skip
        if self.is_late(method, target):
            self.on_its_way.append(send)
            await asyncio.Event().wait()
        return await send()

    @asynccontextmanager
    async def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AsyncGenerator[StreamReply]:
        if self.is_cut:
            raise TransportError("no route to host")
        async with self.server.stream(
            target, headers=headers, connect_timeout_seconds=connect_timeout_seconds,
            idle_timeout_seconds=idle_timeout_seconds,
        ) as reply:  # fmt: skip
            yield reply

    async def aclose(self) -> None:
        pass


class Replica:
    """One manager that reconciles widgets by writing down that it did."""

    def __init__(self, server: FakeApiServer, pod: str, *, shards: bool = True) -> None:
        clock = LoopClock(seed=next(SEEDS))
        self.cable = Cable(server)
        self.pod = pod
        self.manager = Manager(
            self.cable, clock=clock, identity=new_identity(clock, pod=pod), pod=pod,
            options=Options(election=Election(namespace="ns"), shards=shards),
        )  # fmt: skip
        self.at_work: set[str] = set()
        self.seen: list[str] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        lister = self.manager.lister(WIDGETS)

        def bucket(key: Request) -> int | None:
            return bucket_of(key.namespace, key.name) if lister.metadata(key.namespace, key.name) else None

        controller(self.manager, "widget").for_(WIDGETS).shared(bucket).with_(workers=COUNT).complete(self)
        self.task = asyncio.create_task(self.manager.run())

    async def reconcile(self, request: Request) -> Result:
        self.seen.append(request.name)
        self.at_work.add(request.name)
        try:
            await self.may_end.wait()
        finally:
            self.at_work.discard(request.name)
        return Result()

    @property
    def held(self) -> frozenset[int]:
        gate = self.manager.gate
        assert gate is not None
        return frozenset(number for number in gate.held if gate.acts_on(number))

    async def kill(self) -> None:
        self.cable.cut()  # what a dead process still tries never arrives
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def stop(self) -> None:
        self.manager.stop()
        await self.task


def widgets(server: FakeApiServer) -> None:
    for number in range(COUNT):
        server.put(WIDGETS_PATH, a_widget(f"w{number}"))


def touch(server: FakeApiServer, value: int) -> None:
    for number in range(COUNT):
        server.put(WIDGETS_PATH, a_widget(f"w{number}", spec={"value": value}))


def seen_by(*replicas: Replica) -> list[str]:
    found = [name for one in replicas for name in one.seen]
    for one in replicas:
        one.seen.clear()
    return sorted(found)


ALL = sorted(f"w{number}" for number in range(COUNT))


async def sharing(server: FakeApiServer, *pods: str) -> list[Replica]:
    """Replicas that have shared out the objects of a server."""
    widgets(server)
    replicas = [Replica(server, pod) for pod in pods]
    await asyncio.sleep(20)
    return replicas


def leader_and_another(replicas: Sequence[Replica]) -> tuple[Replica, Replica]:
    led = next(one for one in replicas if one.manager.leads)
    return led, next(one for one in replicas if one is not led)


async def test_replicas_divide_the_objects_and_each_change_is_reconciled_by_one() -> None:
    server = FakeApiServer()
    replicas = await sharing(server, "a", "b", "c", "d")
    assert sorted(len(one.held) for one in replicas) == [16, 16, 16, 16]
    seen_by(*replicas)
    touch(server, 1)
    await asyncio.sleep(1)
    assert all(one.seen for one in replicas)
    assert seen_by(*replicas) == ALL
    for one in replicas:
        await one.stop()


async def test_a_stopping_replica_hands_over_at_once_and_its_lease_is_gone() -> None:
    server = FakeApiServer()
    widgets(server)
    first, second = Replica(server, "a"), Replica(server, "b")
    await asyncio.sleep(20)
    await first.stop()
    await asyncio.sleep(4)  # a new leader, where the first one led
    assert len(second.held) == 64
    seen_by(first, second)
    touch(server, 1)
    await asyncio.sleep(1)
    assert seen_by(second) == ALL
    await second.stop()


async def test_the_objects_of_a_dead_replica_are_looked_at_when_its_lease_has_run_out() -> None:
    server = FakeApiServer()
    replicas = await sharing(server, "a", "b", "c")
    _, dead = leader_and_another(replicas)
    lost = dead.held
    await dead.kill()
    others = [one for one in replicas if one is not dead]
    seen_by(*replicas)
    await asyncio.sleep(15)
    assert not lost & frozenset().union(*(one.held for one in others))
    await asyncio.sleep(20)
    assert frozenset().union(*(one.held for one in others)) == frozenset(range(64))
    abandoned = {name for name in ALL if bucket_of("default", name) in lost}
    assert abandoned
    assert abandoned <= set(seen_by(*others))
    for one in others:
        await one.stop()


async def test_a_process_restarted_in_its_pod_shares_again_at_once() -> None:
    server = FakeApiServer()
    widgets(server)
    first, second = Replica(server, "a"), Replica(server, "b")
    await asyncio.sleep(20)
    await second.kill()
    again = Replica(server, "b")
    await asyncio.sleep(3 if first.manager.leads else 8)
    assert (len(first.held), len(again.held)) == (32, 32)
    await first.stop()
    await again.stop()


async def test_who_loses_the_server_stops_before_others_begin_and_goes_on_by_the_newest_map() -> None:
    server = FakeApiServer()
    replicas = await sharing(server, "a", "b")
    led, other = leader_and_another(replicas)
    other.cable.cut()
    for _ in range(60):
        await asyncio.sleep(1)
        assert not led.held & other.held
    assert (len(led.held), len(other.held)) == (64, 0)
    seen_by(led, other)
    other.cable.is_cut = False
    for _ in range(650):
        await asyncio.sleep(0.1)
        assert not led.held & other.held
    assert (len(led.held), len(other.held)) == (32, 32)
    touch(server, 1)
    await asyncio.sleep(1)
    assert set(seen_by(led, other)) == set(ALL)
    for one in replicas:
        await one.stop()


async def test_a_leader_that_loses_the_server_ends_and_the_next_one_shares_its_buckets_out() -> None:
    server = FakeApiServer()
    replicas = await sharing(server, "a", "b", "c")
    led = next(one for one in replicas if one.manager.leads)
    led.cable.cut()
    with pytest.raises(ExceptionGroup) as ended:
        await led.task
    assert ended.group_contains(LeadershipLost)
    await asyncio.sleep(35)
    others = [one for one in replicas if one is not led]
    assert [len(one.held) for one in others] == [32, 32]
    for one in others:
        await one.stop()


async def test_long_work_in_a_bucket_does_not_keep_the_bucket_and_is_not_cancelled() -> None:
    server = FakeApiServer()
    widgets(server)
    first = Replica(server, "a")
    await asyncio.sleep(20)
    first.may_end.clear()
    touch(server, 1)
    await asyncio.sleep(1)
    assert len(first.at_work) == COUNT
    second = Replica(server, "b")
    await asyncio.sleep(10)
    assert (len(first.held), len(second.held)) == (32, 32)
    assert len(first.at_work) == COUNT
    gate = first.manager.gate
    assert gate is not None
    assert gate.busy <= second.held
    assert gate.busy
    assert await second.manager.liveness.is_gone(first.manager.identity, min(gate.busy)) is not True
    first.may_end.set()
    await asyncio.sleep(1)
    assert gate.busy == frozenset()
    assert await second.manager.liveness.is_gone(first.manager.identity, min(second.held)) is True
    assert await second.manager.liveness.is_gone(first.manager.identity, min(first.held)) is not True
    await first.stop()
    await second.stop()


async def test_a_watch_that_died_without_a_word_makes_no_replica_a_dead_one() -> None:
    server = FakeApiServer()
    replicas = await sharing(server, "a", "b")
    for watch in server.watches:
        watch.deaf = watch.target.collection == LEASES_PATH
    before = server.objects[LEASES_PATH, "ns", MAP]
    for _ in range(70):
        await asyncio.sleep(1)
        assert [len(one.held) for one in replicas] == [32, 32]
        assert server.objects[LEASES_PATH, "ns", MAP] == before
    for one in replicas:
        await one.stop()


async def test_a_map_that_somebody_deletes_or_spoils_is_made_again() -> None:
    server = FakeApiServer()
    replicas = await sharing(server, "a", "b")
    server.remove(LEASES_PATH, "ns", MAP)
    await asyncio.sleep(5)
    assert [len(one.held) for one in replicas] == [32, 32]
    lease = server.objects[LEASES_PATH, "ns", MAP]
    spoiled = {**lease, "metadata": {**lease["metadata"], "annotations": {ANNOTATION: "nonsense"}}}
    server.put(LEASES_PATH, spoiled)
    await asyncio.sleep(5)
    assert [len(one.held) for one in replicas] == [32, 32]
    for one in replicas:
        await one.stop()


async def test_a_server_that_is_restored_to_an_older_map_loses_no_bucket() -> None:
    server = FakeApiServer()
    widgets(server)
    first = Replica(server, "a")
    await asyncio.sleep(20)
    before = server.objects[LEASES_PATH, "ns", MAP]
    second = Replica(server, "b")
    await asyncio.sleep(20)
    assert (len(first.held), len(second.held)) == (32, 32)
    await second.kill()
    server.put(LEASES_PATH, before)  # it gives the first one all buckets, as is right again
    server.remove(LEASES_PATH, "ns", lease_name(second.manager.identity))
    await asyncio.sleep(5)
    assert len(first.held) == 64
    await first.stop()


async def test_a_map_that_arrives_late_overwrites_no_newer_one() -> None:
    server = FakeApiServer()
    widgets(server)
    first = Replica(server, "a")
    await asyncio.sleep(20)
    first.cable.is_late = lambda method, target: method == "PUT" and target.endswith(MAP)
    second = Replica(server, "b")
    await asyncio.sleep(15)
    assert len(first.cable.on_its_way) > 1
    first.cable.is_late = never
    await asyncio.sleep(10)
    newest = server.objects[LEASES_PATH, "ns", MAP]
    replies = [(await send()).status for send in first.cable.on_its_way]
    assert set(replies) == {409}
    assert server.objects[LEASES_PATH, "ns", MAP] == newest
    assert (len(first.held), len(second.held)) == (32, 32)
    await first.stop()
    await second.stop()


async def test_what_a_replica_notes_is_heard_by_the_others_as_long_as_it_lives() -> None:
    server = FakeApiServer()
    replicas = await sharing(server, "a", "b")
    led, other = leader_and_another(replicas)
    hearing, saying = led.manager.sharing, other.manager.sharing
    assert hearing is not None
    assert saying is not None
    heard: list[list[str]] = []
    hearing.when_noted(lambda: heard.append(hearing.notes("example.com/said")))
    saying.note("example.com/said", "first")
    await asyncio.sleep(1)
    saying.note("example.com/said", "then")
    await asyncio.sleep(60)
    assert [texts for texts, _ in groupby(heard) if texts] == [["first"], ["then"]]
    assert saying.notes("example.com/said") == []
    assert (len(led.held), len(other.held)) == (32, 32)
    await other.kill()
    await asyncio.sleep(40)
    assert heard[-1] == []
    await led.stop()


async def test_managers_that_do_not_share_get_no_buckets() -> None:
    server = FakeApiServer()
    widgets(server)
    sharing, other = Replica(server, "a"), Replica(server, "b", shards=False)
    await asyncio.sleep(20)
    if sharing.manager.leads:
        assert len(sharing.held) == 64
        assert other.seen == []
    else:
        assert sharing.held == frozenset()
        assert sorted(other.seen) == ALL
    await sharing.stop()
    await other.stop()


async def test_an_idle_cluster_costs_renewals_only() -> None:
    server = FakeApiServer()
    widgets(server)
    replicas = [Replica(server, pod) for pod in ("a", "b")]
    await asyncio.sleep(60)
    server.sent.clear()
    await asyncio.sleep(600)
    others = [sent for sent in server.writes() if "/leases/" not in sent.target]
    written = [sent for sent in server.writes() if sent.target.endswith(MAP)]
    assert (others, written) == ([], [])
    for one in replicas:
        await one.stop()


async def test_sharing_without_an_election_is_refused() -> None:
    with pytest.raises(ValueError, match="only with leader election"):
        Manager(FakeApiServer(), clock=LoopClock(), options=Options(shards=True))
