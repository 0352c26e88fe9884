"""Managers that share the runs, one of which loses the API server while all work, and finds it again.

It still reaches the model and the endpoint that takes payments. What it writes meanwhile arrives at the end of the
partition, when others have its buckets.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from test.e2e import sharing
from test.e2e.cluster import Cluster, Namespace
from test.e2e.model import MockModel
from test.e2e.partitions import PartitionProxy
from test.e2e.processes import LOST_LEADERSHIP, Program
from test.e2e.servers.endpoint import Endpoint

COUNT = 200
MEANWHILE = 50
"""Of the runs: as many are made during the partition."""

CUT_OFF = "cut-off"
"""The pod behind the proxy."""


def start(namespace: Namespace, programs: dict[str, Program], pods: Sequence[str]) -> None:
    """Start these replicas, the first of which leads."""
    for pod in pods:
        programs[pod].start()
    sharing.until_shared(namespace, pods, "the replicas share")


@pytest.mark.parametrize(
    ("first", "newcomers"),
    [
        pytest.param(["other", CUT_OFF], [], id="one-of-two"),
        pytest.param([CUT_OFF, "other"], [], id="the-leader-of-two"),
        pytest.param(["other", CUT_OFF, "third"], ["fourth"], id="one-while-a-fourth-joins"),
    ],
)
def test_a_replica_that_loses_the_api_server_doubles_nothing_and_loses_nothing(
    first: Sequence[str], newcomers: Sequence[str],
    alone: Namespace, cluster: Cluster, model: MockModel, tmp_path: Path,
) -> None:  # fmt: skip
    pods = [*first, *newcomers]
    others = [pod for pod in pods if pod != CUT_OFF]
    with ExitStack() as stack:
        endpoint = stack.enter_context(Endpoint(delay_seconds=0.05))
        proxy = stack.enter_context(PartitionProxy(cluster.port))
        ways = dict.fromkeys(pods, cluster.kubeconfig) | {CUT_OFF: cluster.through(proxy.port, tmp_path)}
        programs = {pod: sharing.a_replica(way, alone, pod, tmp_path) for pod, way in ways.items()}
        for program in programs.values():
            stack.callback(program.kill)
        start(alone, programs, first)
        sharing.arrange(alone, model, endpoint)
        alone.apply(*(sharing.a_run(number) for number in range(COUNT - MEANWHILE)))
        for _ in range(COUNT // 10):
            endpoint.wait_for_hit(timeout_seconds=sharing.DEADLINE_SECONDS)
        with proxy.cut():
            for pod in newcomers:
                programs[pod].start()
            alone.apply(*(sharing.a_run(number) for number in range(COUNT - MEANWHILE, COUNT)))
            sharing.until_shared(alone, others, "the others have the buckets of the one that is cut off")
            sharing.until_ended(alone, COUNT // 2, "the others work")
        if first[0] == CUT_OFF:
            restart(programs[CUT_OFF])
        sharing.until_ended(alone, COUNT, "every run ends")
        sharing.until_shared(alone, pods, "the one that was cut off shares again")
        for program in programs.values():
            assert program.stop() == 0, program.tail()
    sharing.assert_paid_once(alone, endpoint, COUNT)


def restart(leader: Program) -> None:
    """Start a leader again that has ended because it lost the leadership, as the kubelet does."""
    assert leader.popen is not None
    assert leader.popen.wait(sharing.DEADLINE_SECONDS) == LOST_LEADERSHIP
    assert "leadership lost" in leader.log.read_text()
    leader.start()
