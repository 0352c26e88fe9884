"""What a replica acts on, and what it says about it."""

from __future__ import annotations

import asyncio

from kubechain.runtime.keys import Request
from kubechain.runtime.leases import Lease, LeaseMetadata
from kubechain.runtime.loop import Result
from kubechain.runtime.shards.gate import Gate, Gated
from kubechain.runtime.shards.model import BUCKETS, Acknowledged, Bucket, ShardMap, annotations_of

MINE, OTHER = "pod-a_1", "pod-b_2"
KEY = Request("default", "hello-1")


class Freshness:
    def __init__(self) -> None:
        self.is_fresh = True


def a_gate(freshness: Freshness | None = None) -> Gate:
    fresh = freshness or Freshness()
    return Gate(identity=MINE, name="map", is_fresh=lambda: fresh.is_fresh)


def a_map(epoch: int, holder: str = OTHER, heir: str = "", **buckets: str) -> ShardMap:
    """All buckets with one holder, but for those named as `b7=holder`."""
    given = {int(name[1:]): Bucket(who, since=epoch) for name, who in buckets.items()}
    return ShardMap(epoch, tuple(given.get(number, Bucket(holder, heir, epoch)) for number in range(BUCKETS)))


def test_without_a_map_nothing_is_ours_but_what_is_gone() -> None:
    gate = a_gate()
    assert not any(gate.acts_on(number) for number in range(BUCKETS))
    assert gate.acts_on(None)


def test_what_the_map_gives_us_is_ours_while_our_lease_is_fresh() -> None:
    fresh = Freshness()
    gate = a_gate(fresh)
    assert gate.follow(a_map(1, b7=MINE)) == ({7}, frozenset())
    assert (gate.acts_on(7), gate.acts_on(8)) == (True, False)
    fresh.is_fresh = False
    assert not gate.acts_on(7)


def test_a_bucket_that_moves_is_nobodys_until_the_heir_has_it() -> None:
    gate = a_gate()
    gate.follow(a_map(1, MINE))
    assert gate.follow(a_map(2, MINE, OTHER)) == (frozenset(), frozenset(range(BUCKETS)))
    assert not gate.acts_on(0)


def test_an_older_map_is_ignored_and_a_deleted_one_closes_the_gate_for_any_that_follows() -> None:
    gate = a_gate()
    gate.follow(a_map(5, b1=MINE))
    assert gate.follow(a_map(4, MINE)) == (frozenset(), frozenset())
    gate.follow(None)
    assert not gate.acts_on(1)
    gate.follow(a_map(1, b2=MINE))
    assert gate.acts_on(2)


def test_who_gains_looks_at_everything_again_and_who_loses_drops_what_waits() -> None:
    gate, told = a_gate(), list[str]()
    gate.when_gained(lambda: told.append("gained"))
    gate.when_lost(lambda: told.append("lost"))
    gate.follow(a_map(1, b1=MINE))
    gate.follow(a_map(2, b1=MINE))
    gate.follow(a_map(3, b2=MINE))
    gate.resume()
    assert told == ["gained", "lost", "gained", "gained"]


def test_work_that_goes_on_in_a_lost_bucket_is_acknowledged_as_such() -> None:
    gate = a_gate()
    gate.follow(a_map(1, b1=MINE, b2=MINE))
    with gate.working(1), gate.working(2):
        with gate.working(1):
            gate.follow(a_map(2, b2=MINE))
        assert gate.acknowledged() == Acknowledged("map", 2, frozenset({1}))
        gate.news.clear()
    assert gate.news.is_set()
    assert gate.acknowledged() == Acknowledged("map", 2)


def test_what_a_lost_bucket_leaves_behind_after_its_last_reconcile_is_dropped_too() -> None:
    gate, told = a_gate(), list[str]()
    gate.when_lost(lambda: told.append("lost"))
    gate.follow(a_map(1, b1=MINE))
    with gate.working(1):
        gate.follow(a_map(2))
    assert told == ["lost", "lost"]


def test_a_claim_of_a_living_replica_is_free_once_it_says_of_our_very_map_that_it_works_on_nothing_there() -> None:
    gate = a_gate()
    gate.follow(a_map(3, b1=MINE))
    cases = {
        Acknowledged("map", 3): True,
        Acknowledged("map", 3, frozenset({2})): True,
        Acknowledged("map", 3, frozenset({1})): False,
        Acknowledged("map", 2): False,
        Acknowledged("map", 4): False,
        Acknowledged("another", 3): False,
    }
    assert {said: gate.released(a_lease(said), 1) for said in cases} == cases
    assert not gate.released(Lease(LeaseMetadata("x", "ns")), 1)
    assert not gate.released(a_lease(Acknowledged("map", 3)), 2)


def a_lease(said: Acknowledged) -> Lease:
    return Lease(LeaseMetadata("x", "ns", annotations=dict(annotations_of(said))))


def test_a_replica_that_is_about_to_stop_says_so() -> None:
    gate = a_gate()
    gate.leave()
    assert gate.news.is_set()
    assert gate.acknowledged() == Acknowledged("map", is_leaving=True)


class Noting:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.go_on = asyncio.Event()

    async def reconcile(self, request: Request) -> Result:
        self.seen.append(request.name)
        await self.go_on.wait()
        return Result(5)


async def test_a_reconciler_behind_the_gate_works_on_its_own_buckets_and_is_counted_meanwhile() -> None:
    gate, inner = a_gate(), Noting()
    gated = Gated(inner, gate, lambda key: 1)
    assert await gated.reconcile(KEY) == Result()
    assert inner.seen == []
    gate.follow(a_map(1, b1=MINE))
    working = asyncio.create_task(gated.reconcile(KEY))
    await asyncio.sleep(0)
    gate.follow(a_map(2))
    assert gate.busy == {1}
    inner.go_on.set()
    assert await working == Result(5)
    assert gate.busy == frozenset()


async def test_an_object_that_is_gone_is_forgotten_by_every_replica() -> None:
    inner = Noting()
    inner.go_on.set()
    await Gated(inner, a_gate(), lambda key: None).reconcile(KEY)
    assert inner.seen == ["hello-1"]


def test_limits_are_divided_by_the_replicas_of_the_map() -> None:
    gate = a_gate()
    gate.follow(a_map(1, b1=MINE))
    assert [gate.share(limit) for limit in (1, 2, 9)] == [1, 1, 5]
