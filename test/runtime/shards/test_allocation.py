"""Who holds which bucket, and what map follows."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain.runtime.shards.allocation import assigned, next_map
from kubechain.runtime.shards.model import BUCKETS, Acknowledged, Bucket, Member, ShardMap

NAMES = [f"pod-{letter}_{number}" for letter in "abcdef" for number in range(4)]


def member(identity: str, *, epoch: int = 0, leaving: bool = False) -> Member:
    return Member(identity, Acknowledged("map", epoch, is_leaving=leaving))


def all_of(holder: str, *, heir: str = "", epoch: int = 1) -> ShardMap:
    return ShardMap(epoch, (Bucket(holder, heir, epoch),) * BUCKETS)


@given(st.sets(st.sampled_from(NAMES), min_size=1, max_size=8))
def test_all_buckets_have_a_replica_and_all_replicas_as_many(replicas: set[str]) -> None:
    owners = assigned(replicas)
    load = Counter(owners)
    assert load.keys() == replicas
    assert max(load.values()) - min(load.values()) <= 1
    assert assigned(sorted(replicas)) == owners


@given(st.sets(st.sampled_from(NAMES), min_size=2, max_size=8), st.data())
def test_a_replica_that_comes_or_goes_moves_few_buckets_of_the_others(replicas: set[str], data: st.DataObject) -> None:
    some = data.draw(st.sampled_from(sorted(replicas)))
    before, after = assigned(replicas - {some}), assigned(replicas)
    moved = [one for one, other in zip(before, after, strict=True) if one != other]
    assert len(moved) <= 2 * -(-BUCKETS // len(replicas))


def test_without_a_replica_no_bucket_has_one() -> None:
    assert set(assigned(())) == {""}


def test_the_first_map_gives_everything_to_who_is_there() -> None:
    made = next_map(None, [member("a")])
    assert made == all_of("a")


def test_there_is_no_map_before_there_is_a_replica() -> None:
    assert next_map(None, []) is None
    assert next_map(None, [member("a", leaving=True)]) is None


def test_a_map_that_was_deleted_is_followed_by_one_that_is_newer_than_what_was_acknowledged() -> None:
    made = next_map(None, [member("a", epoch=7), member("b", epoch=6)])
    assert made is not None
    assert made.epoch == 8


def test_a_map_that_is_older_than_what_was_acknowledged_is_followed_by_a_newer_one_although_it_fits() -> None:
    made = next_map(all_of("a", epoch=5), [member("a", epoch=7)])
    assert made == all_of("a", epoch=8)


def test_a_map_that_fits_stays() -> None:
    assert next_map(all_of("a"), [member("a", epoch=1)]) is None


def test_a_bucket_moves_in_two_maps_with_the_release_between_them() -> None:
    replicas = [member("a", epoch=1), member("b")]
    asked = next_map(all_of("a"), replicas)
    assert asked is not None
    moving = {number for number, one in enumerate(asked.buckets) if one == Bucket("a", "b", 2)}
    assert len(moving) == BUCKETS // 2
    assert asked.held_by("b") == frozenset()
    assert asked.held_by("a") == frozenset(range(BUCKETS)) - moving
    assert next_map(asked, [member("a", epoch=1), member("b", epoch=2)]) is None
    given_over = next_map(asked, [member("a", epoch=2), member("b", epoch=2)])
    assert given_over is not None
    assert given_over.held_by("b") == moving
    assert next_map(given_over, [member("a", epoch=3), member("b", epoch=3)]) is None


def test_the_buckets_of_a_dead_replica_move_at_once() -> None:
    made = next_map(all_of("a"), [member("b")])
    assert made is not None
    assert made.held_by("b") == frozenset(range(BUCKETS))


def test_a_release_that_is_not_needed_any_more_is_called_off_and_an_old_acknowledgement_does_not_count() -> None:
    asked = all_of("a", heir="b", epoch=4)
    called_off = next_map(asked, [member("a", epoch=3)])
    assert called_off is not None
    assert called_off.held_by("a") == frozenset(range(BUCKETS))
    again = next_map(called_off, [member("a", epoch=4), member("b")])
    assert again is not None
    assert next_map(again, [member("a", epoch=5), member("b")]) is None


def test_another_heir_does_not_ask_again() -> None:
    changed = next_map(all_of("a", heir="b", epoch=4), [member("a", epoch=3, leaving=True), member("c")])
    assert changed is not None
    assert set(changed.buckets) == {Bucket("a", "c", 4)}


def test_a_leaving_replica_gets_nothing_and_keeps_what_nobody_else_can_take() -> None:
    assert next_map(all_of("a"), [member("a", epoch=1, leaving=True)]) is None
    made = next_map(all_of("a"), [member("a", epoch=1, leaving=True), member("b")])
    assert made is not None
    assert set(made.buckets) == {Bucket("a", "b", 2)}


@given(st.data())
def test_whatever_comes_and_goes_no_living_replica_loses_a_bucket_that_it_has_not_released(data: st.DataObject) -> None:
    """Maps follow each other while replicas die, leave, come, and acknowledge late."""
    current: ShardMap | None = None
    said: dict[str, int] = {}
    for _ in range(data.draw(st.integers(1, 12))):
        alive = data.draw(st.sets(st.sampled_from(NAMES[:5]), min_size=1))
        leaving = data.draw(st.sets(st.sampled_from(sorted(alive))))
        for one in alive:
            newest = current.epoch if current else 0
            said[one] = data.draw(st.integers(min(said.get(one, 0), newest), newest))
        members = [member(one, epoch=said[one], leaving=one in leaving) for one in sorted(alive)]
        following = next_map(current, members)
        if following is None:
            continue
        assert current is None or following.epoch > current.epoch
        for number in range(BUCKETS) if current else ():
            assert current is not None
            before, after = current.buckets[number], following.buckets[number]
            if before.holder in alive and after.holder != before.holder:
                assert before.heir
                assert said[before.holder] >= before.since
        current = following


@pytest.mark.parametrize("count", range(1, 6))
def test_after_a_while_without_changes_the_map_is_what_was_wanted(count: int) -> None:
    replicas, current = NAMES[:count], all_of("gone_1", heir="gone_2", epoch=9)
    for _ in range(4):
        current = next_map(current, [member(one, epoch=current.epoch) for one in replicas]) or current
    assert tuple(one.holder for one in current.buckets) == assigned(replicas)
    assert {one.heir for one in current.buckets} == {""}
