"""What the bench of replicas counts, where a wrong count would look like a good one."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bench import quota, shards
from bench.shards import Sample, figures_of, is_settled
from bench.usage import cpu_seconds_of
from kubechain.runtime.shards.model import BUCKETS, Bucket, ShardMap, written

NOTHING = dict.fromkeys(shards.VERBS, 0.0)


def a_map(*holders: str, heir: str = "") -> dict[str, str]:
    buckets = tuple(Bucket(holders[number % len(holders)], heir, 1) for number in range(BUCKETS))
    return dict(written(ShardMap(1, buckets)))


@pytest.mark.parametrize(
    ("annotations", "settled"),
    [
        pytest.param(a_map("a", "b"), True, id="every replica has buckets and none moves"),
        pytest.param(a_map("a"), False, id="one replica has none yet"),
        pytest.param(a_map("a", "b", heir="c"), False, id="buckets move"),
        pytest.param({}, False, id="there is no map"),
    ],
)
def test_the_runs_begin_when_the_map_has_settled(annotations: dict[str, str], settled: bool) -> None:
    assert is_settled(annotations, 2) is settled


def test_the_cost_of_a_run_is_that_of_all_replicas_and_the_busiest_one_is_told_apart() -> None:
    before = Sample(1.0, 10, 1, NOTHING | {"PUT": 20.0})
    samples = [
        Sample(3.0, 40, 3, NOTHING | {"PUT": 80.0}).since(before),
        Sample(5.0, 80, 1, NOTHING | {"PUT": 160.0}).since(before),
    ]
    found = figures_of(
        samples, runs=100, seconds=10.0, overheads=[0.1, 0.2, 0.3], writes=500, used={"API server": 15.0, "etcd": 5.0},
        rss_mib=1.0,
    )  # fmt: skip
    assert (found.runs_per_second, found.manager_cpu_ms, found.busiest_cores) == (10.0, 60.0, 0.4)
    assert (found.fewest_runs, found.most_runs) == (0.3, 0.7)
    assert (found.puts, found.gets, found.conflicts, found.writes) == (2.0, 0.0, 0.02, 5.0)
    assert found.server_cores == pytest.approx(0.2)


@pytest.mark.skipif(not os.access(quota.HIERARCHY, os.W_OK), reason="cgroups of version 1, and the right to make one")
def test_a_limited_process_gets_no_more_than_its_share_of_a_core() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            with quota.limited(busy.pid, 0.1):
                before, began = cpu_seconds_of(busy.pid), time.perf_counter()
                while cpu_seconds_of(busy.pid) - before < 0.1:
                    assert time.perf_counter() - began < 60
                took = time.perf_counter() - began
        finally:
            busy.kill()
    assert took > 0.5, "a tenth of a core uses a tenth of a second in one"
