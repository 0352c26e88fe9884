"""Who is gone and who is not."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from structlog.testing import capture_logs

from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import TransportError
from kubechain.runtime.leases import Lease, LeaseMetadata, LeaseObserver
from kubechain.runtime.liveness import LeaseLiveness, SoleReplica, lease_name
from test.runtime.fake_apiserver import FakeApiServer, Sent, failure

PATH = "apis/coordination.k8s.io/v1/leases"


def replica(server: FakeApiServer, identity: str, *, pod: str = "") -> LeaseLiveness:
    client, clock = Client(server, clock=LoopClock()), LoopClock()
    return LeaseLiveness(client, clock=clock, identity=identity, namespace="ns", pod=pod)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_living_replica_is_never_called_gone_and_a_stopped_one_at_once() -> None:
    server = FakeApiServer()
    me, other = replica(server, "pod-a_1"), replica(server, "pod-b_2")
    await other.start()
    task = asyncio.create_task(other.run())
    for _ in range(20):
        answer = await me.is_gone("pod-b_2")
        assert answer is not True
        assert 0 < answer <= 30
        await asyncio.sleep(answer)
    await stop(task)
    assert await me.is_gone("pod-b_2") is True


async def test_a_replica_that_deletes_its_lease_starts_no_work_any_more_from_before_the_request_on() -> None:
    server = FakeApiServer()
    other, seen = replica(server, "pod-b_2"), list[bool]()

    def see(sent: Sent) -> None:
        if sent.method == "DELETE":
            seen.append(other.is_fresh)

    await other.start()
    task = asyncio.create_task(other.run())
    await asyncio.sleep(15)
    assert other.is_fresh
    server.fails = see
    await stop(task)
    assert seen == [False]
    assert not other.is_fresh


async def test_a_crashed_replica_is_gone_when_its_lease_stood_still_for_its_duration() -> None:
    server = FakeApiServer()
    me, other = replica(server, "pod-a_1"), replica(server, "pod-b_2")
    await other.start()
    assert await me.is_gone("pod-b_2") == 30
    await asyncio.sleep(20)
    assert await me.is_gone("pod-b_2") == 10
    await asyncio.sleep(10)
    assert await me.is_gone("pod-b_2") is True


async def test_a_replica_that_crashed_long_ago_is_watched_for_a_moment_and_then_gone() -> None:
    server = FakeApiServer()
    me, other = replica(server, "pod-a_1"), replica(server, "pod-b_2")
    await other.start()
    await asyncio.sleep(600)
    assert await me.is_gone("pod-b_2") == 12
    await asyncio.sleep(12)
    assert await me.is_gone("pod-b_2") is True


async def test_a_replica_whose_lease_names_another_holder_is_gone_however_fresh_the_lease_is() -> None:
    server = FakeApiServer()
    me, other = replica(server, "pod-a_1"), replica(server, "pod-b_2")
    await other.start()
    ((_, _, name),) = server.objects
    held = server.objects[PATH, "ns", name]
    server.put(PATH, {**held, "spec": {**held["spec"], "holderIdentity": "pod-c_3"}})
    assert await me.is_gone("pod-b_2") is True


async def test_the_predecessor_in_the_same_pod_is_gone_without_a_question() -> None:
    server = FakeApiServer()
    me = replica(server, "pod_x_1", pod="pod_x")
    assert await me.is_gone("pod_x_0") is True
    assert await me.is_gone("pod_x_1") is False
    assert server.sent == []


async def test_outside_of_pods_another_process_of_the_same_host_may_live() -> None:
    server = FakeApiServer()
    me, other = replica(server, "host_1"), replica(server, "host_2")
    await other.start()
    assert await me.is_gone("host_2") == 30


async def test_a_new_process_of_a_pod_deletes_the_lease_of_its_predecessor_and_no_other() -> None:
    server = FakeApiServer()
    for identity in ("pod-a_1", "pod-b_1", "pod-a-2_1"):
        await replica(server, identity).start()
    await replica(server, "pod-a_2", pod="pod-a").start()
    left = {lease_name(identity) for identity in ("pod-a_2", "pod-b_1", "pod-a-2_1")}
    assert {name for _, _, name in server.objects} == left
    assert await replica(server, "pod-b_1").is_gone("pod-a_1") is True


async def test_a_swept_lease_is_made_again_and_abandoned_ones_are_deleted() -> None:
    server = FakeApiServer()
    me, crashed = replica(server, "pod-a_1"), replica(server, "pod-b_2")
    await me.start()
    await crashed.start()
    task = asyncio.create_task(me.run())
    await asyncio.sleep(15)
    server.remove(PATH, "ns", lease_name("pod-a_1"))
    await asyncio.sleep(1500)
    assert [name for _, _, name in server.objects] == [lease_name("pod-a_1")]
    await stop(task)
    assert server.objects == {}


@pytest.mark.parametrize("code", [409, 500, 503])
async def test_a_start_is_tried_again_until_the_lease_is_there(code: int) -> None:
    server = FakeApiServer()
    server.failures.append(failure(code, "Conflict" if code == 409 else ""))
    await replica(server, "pod-a_1").start()
    assert [name for _, _, name in server.objects] == [lease_name("pod-a_1")]


async def test_a_refused_start_is_told_once_with_the_missing_rule_and_tried_again() -> None:
    server = FakeApiServer()
    server.fails = lambda sent: failure(403, "Forbidden", "no")
    with capture_logs() as logs:
        starting = asyncio.create_task(replica(server, "pod-a_1").start())
        await asyncio.sleep(60)
        server.fails = lambda sent: None
        await asyncio.sleep(5)
        assert starting.done()
    warnings = [line for line in logs if line["log_level"] == "warning"]
    assert [line["missing_rule"] for line in warnings] == [
        'Role in namespace ns: {apiGroups: ["coordination.k8s.io"], resources: [leases], '
        "verbs: [create, delete, get, list, patch, update]}"
    ]


async def test_a_server_that_is_away_at_the_start_is_told_once() -> None:
    server = FakeApiServer()
    server.fails = lambda sent: TransportError("connection refused")
    with capture_logs() as logs:
        starting = asyncio.create_task(replica(server, "pod-a_1").start())
        await asyncio.sleep(20)
        server.fails = lambda sent: None
        await asyncio.sleep(5)
        assert starting.done()
    assert [line["log_level"] for line in logs if line["log_level"] != "debug"] == ["warning", "info"]


def test_of_leases_that_are_gone_nothing_is_remembered() -> None:
    observer, lease = LeaseObserver(), Lease(metadata=LeaseMetadata(name="a", namespace="ns"))
    observer.unchanged_seconds(lease, now=0.0)
    observer.keep({"a"})
    assert observer.unchanged_seconds(lease, now=7.0) == 7.0
    observer.keep(set())
    assert observer.unchanged_seconds(lease, now=9.0) == 0.0


async def test_the_only_replica_asks_nobody() -> None:
    sole = SoleReplica("pod_1")
    assert await sole.is_gone("pod_1") is False
    assert await sole.is_gone("elsewhere_2") is True
