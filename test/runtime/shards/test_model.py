"""Maps and acknowledgements as they are written, parts of limits, and buckets."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain.runtime.shards.model import (
    ANNOTATION,
    BUCKETS,
    Acknowledged,
    Bucket,
    ShardMap,
    annotations_of,
    bucket_of,
    heard,
    ranges,
    read,
    share_of,
    written,
)

REPLICAS = st.sampled_from(["", "pod-a_1", "pod-b_2", "pod-c_3"])


BUCKET = st.builds(Bucket, REPLICAS, REPLICAS, st.integers(0, 99))


@given(st.integers(0, 2**40), st.lists(BUCKET, min_size=BUCKETS, max_size=BUCKETS))
def test_a_map_is_read_as_it_was_written(epoch: int, buckets: list[Bucket]) -> None:
    made = ShardMap(epoch, tuple(buckets))
    assert read(written(made)) == made


@given(st.builds(Acknowledged, st.text(), st.integers(0, 99), st.frozensets(st.integers(0, 63)), st.booleans()))
def test_what_a_replica_says_is_heard(said: Acknowledged) -> None:
    assert heard(annotations_of(said)) == said


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="no JSON"),
        pytest.param("[]", id="no object"),
        pytest.param('{"epoch":1,"replicas":["a"],"buckets":[[0,-1,1]]}', id="too few buckets"),
        pytest.param('{"epoch":1,"replicas":[],"buckets":[' + ",".join(["[3,-1,1]"] * 64) + "]}", id="no such replica"),
    ],
)
def test_what_is_no_map_is_none(text: str) -> None:
    assert read({ANNOTATION: text}) is None
    assert heard({ANNOTATION: text}) is None


def test_leases_without_our_annotation_say_nothing() -> None:
    assert read(None) is None
    assert heard(None) is None


def test_a_map_fits_an_annotation_with_room_to_spare() -> None:
    made = ShardMap(10**6, tuple(Bucket(f"{'p' * 250}-{n}_x", f"{'q' * 250}-{n}_x", 10**6) for n in range(BUCKETS)))
    assert len(written(made)[ANNOTATION]) < 64 * 1024


def test_buckets_are_used_evenly_and_stay_what_they_are() -> None:
    load = Counter(bucket_of("default", f"run-{number}") for number in range(6400))
    assert len(load) == BUCKETS
    assert max(load.values()) < 160
    names = [("default", "hello-1"), ("other", "hello-1"), ("default", "hello-2")]
    assert [bucket_of(*name) for name in names] == [17, 11, 14]


@given(st.integers(1, 500), st.integers(1, 8))
def test_the_parts_of_a_limit_add_up_to_it_or_are_one_each(limit: int, count: int) -> None:
    replicas = [f"pod-{number}" for number in range(count)]
    parts = [share_of(limit, replicas, one) for one in replicas]
    assert sum(parts) == max(limit, count)
    assert max(parts) - min(parts) <= 1


def test_a_replica_that_holds_nothing_yet_takes_part_as_one_more() -> None:
    assert share_of(9, ["a", "b"], "c") == 3
    assert share_of(9, [], "c") == 9


def test_bucket_numbers_are_told_in_ranges() -> None:
    assert ranges({0, 1, 2, 7, 9, 10}) == "0-2, 7, 9-10"
    assert ranges(()) == ""
