"""Two managers that share the runs, as processes: one is killed, stopped or stands still while both work."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from test.e2e import sharing
from test.e2e.cluster import Cluster, Namespace
from test.e2e.model import MockModel
from test.e2e.processes import Program
from test.e2e.servers.endpoint import Endpoint

COUNT = 200


def go_on(program: Program) -> None:
    assert program.popen is not None
    program.popen.send_signal(signal.SIGCONT)


def stand_still(program: Program) -> None:
    assert program.popen is not None
    program.popen.send_signal(signal.SIGSTOP)


def stop(program: Program) -> None:
    assert program.stop() == 0


@pytest.mark.parametrize(
    ("strike", "later"),
    [
        pytest.param(Program.kill, Program.start, id="killed"),
        pytest.param(stop, Program.start, id="stopped"),
        pytest.param(stand_still, go_on, id="frozen"),
    ],
)
def test_no_payment_is_made_twice_and_every_run_ends_while_replicas_come_and_go(
    strike: Callable[[Program], object], later: Callable[[Program], object],
    alone: Namespace, cluster: Cluster, model: MockModel, tmp_path: Path,
) -> None:  # fmt: skip
    with ExitStack() as stack:
        endpoint = stack.enter_context(Endpoint(delay_seconds=0.05))
        replicas = [sharing.a_replica(cluster.kubeconfig, alone, pod, tmp_path) for pod in ("one", "other")]
        for program in replicas:
            program.start()
            stack.callback(program.kill)
        sharing.arrange(alone, model, endpoint)
        alone.apply(*(sharing.a_run(number) for number in range(COUNT)))
        for _ in range(COUNT // 10):
            endpoint.wait_for_hit(timeout_seconds=sharing.DEADLINE_SECONDS)
        strike(replicas[0])
        sharing.until_ended(alone, COUNT // 2, "the other replica works")
        later(replicas[0])
        sharing.until_ended(alone, COUNT, "every run ends")
        for program in replicas:
            assert program.stop() == 0
    sharing.assert_paid_once(alone, endpoint, COUNT)
    assert all("buckets moved" in program.log.read_text() for program in replicas)
