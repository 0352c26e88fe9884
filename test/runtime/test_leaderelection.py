"""Leader election under hangs, lost connections and cancels; never two that believe to lead."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
import yaml

from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import TransportError
from kubechain.runtime.leaderelection import LeaderElector, LeadershipLost, Timing
from kubechain.runtime.leases import LEASES
from test.runtime.fake_apiserver import FakeApiServer, Sent, failure

PATH = "apis/coordination.k8s.io/v1/leases"


class Replica:
    """One candidate whose work can be seen."""

    def __init__(self, server: FakeApiServer, name: str, *, link: Link | None = None, pod: str = "") -> None:
        self.working = False
        self.began = asyncio.Event()
        self.killed = asyncio.Event()
        self.stubborn_seconds = 0.0
        client = Client(link or server, clock=LoopClock())
        self.elector = LeaderElector(
            client, clock=LoopClock(), identity=name, namespace="ns", name="it", exit_now=self._kill, pod=pod
        )
        self.finish = asyncio.Event()
        self.task = asyncio.create_task(self.elector.run(self._work))

    async def _work(self) -> None:
        self.working = True
        self.began.set()
        try:
            await self.finish.wait()
        finally:
            until = asyncio.get_running_loop().time() + self.stubborn_seconds
            while asyncio.get_running_loop().time() < until:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.1)
            self.working = False

    def _kill(self) -> None:
        self.killed.set()

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, LeadershipLost):
            await self.task


class Link(FakeApiServer):
    """A connection to a server that one replica has for itself, and that can hang or break."""

    def __init__(self, server: FakeApiServer) -> None:
        super().__init__()
        self.server = server
        self.trouble = ""
        """`hang`, `break`, `lose` (the reply) or `503`; `slow` answers after `slow_seconds`."""
        self.slow_seconds = 0.0
        self.hangs = 0
        """How many of the next requests hang."""

    async def send(self, *args: object, **options: object) -> object:  # type: ignore[override]
        trouble = self.trouble
        if self.hangs and not trouble:
            self.hangs, trouble = self.hangs - 1, "hang"
        match trouble:
            case "hang":
                await asyncio.Event().wait()
            case "slow":
                await asyncio.sleep(self.slow_seconds)
            case "break":
                raise TransportError("reset")
            case "503":
                return failure(503, "ServiceUnavailable")
            case _:
                pass
        reply = await self.server.send(*args, **options)  # type: ignore[arg-type]
        if trouble == "lose":
            raise TransportError("the reply is lost")
        return reply


def holder(server: FakeApiServer) -> str:
    return server.objects[PATH, "ns", "it"]["spec"].get("holderIdentity", "")


async def test_one_leads_and_a_stop_hands_over_within_three_seconds() -> None:
    server = FakeApiServer()
    first = Replica(server, "first")
    await asyncio.sleep(1)
    second = Replica(server, "second")
    await asyncio.sleep(60)
    assert (first.working, second.working, holder(server)) == (True, False, "first")
    first.finish.set()
    await first.task
    assert holder(server) == ""
    await asyncio.sleep(3)
    assert (second.working, holder(server)) == (True, "second")
    assert server.objects[PATH, "ns", "it"]["spec"]["leaseTransitions"] == 1
    await second.stop()


@pytest.mark.parametrize(
    ("pod", "waits"),
    [
        pytest.param("pod-a", False, id="in the pod that held the lease"),
        pytest.param("pod-b", True, id="in another pod"),
        pytest.param("", True, id="outside of pods, where two processes may have one name"),
    ],
)
async def test_a_process_restarted_in_its_pod_leads_at_once(pod: str, waits: bool) -> None:
    server = FakeApiServer()
    link = Link(server)
    first = Replica(server, "pod-a_1", link=link, pod="pod-a")
    await asyncio.sleep(1)
    assert first.working
    link.trouble = "break"  # it was killed, and released nothing
    first.task.cancel()
    second = Replica(server, f"{pod or 'pod-a'}_2", pod=pod)
    await asyncio.sleep(1)
    assert second.working is not waits
    await asyncio.sleep(20)
    assert (second.working, holder(server)) == (True, f"{pod or 'pod-a'}_2")
    await second.stop()
    await first.stop()


@pytest.mark.parametrize("offset", [0.0, 0.5, 1.0, 1.5, 1.9])
async def test_after_a_crash_the_other_takes_over_as_soon_as_the_lease_has_run_out(offset: float) -> None:
    server = FakeApiServer()
    link = Link(server)
    first, loop = Replica(server, "first", link=link), asyncio.get_running_loop()
    await asyncio.sleep(1)
    second = Replica(server, "second")
    await asyncio.sleep(30 + offset)
    link.trouble = "hang"  # as a crash looks from outside
    crashed_at = loop.time()
    await second.began.wait()
    seen_late, last_look = 2.4, 0.2
    assert 13 <= loop.time() - crashed_at <= 15 + seen_late + last_look
    await first.stop()
    await second.stop()


@pytest.mark.parametrize("trouble", ["hang", "break", "503"])
async def test_who_cannot_renew_stops_before_another_may_begin(trouble: str) -> None:
    server = FakeApiServer()
    link = Link(server)
    first = Replica(server, "first", link=link)
    await asyncio.sleep(1)
    second = Replica(server, "second")
    await asyncio.sleep(10)
    link.trouble = trouble
    for _ in range(400):
        await asyncio.sleep(0.1)
        assert not (first.elector.is_leader and second.elector.is_leader)
        assert not (first.working and second.working)
    assert (first.working, second.working) == (False, True)
    with pytest.raises(LeadershipLost):
        await first.task
    assert not first.killed.is_set()
    await second.stop()


async def test_a_call_that_hangs_keeps_nobody_from_trying_again() -> None:
    server = FakeApiServer()
    link = Link(server)
    link.trouble = "hang"
    replica = Replica(server, "only", link=link)
    await asyncio.sleep(60)
    link.trouble = ""
    await asyncio.sleep(8)
    assert replica.working
    await replica.stop()


async def test_who_could_not_renew_even_once_stops_too() -> None:
    server = FakeApiServer()
    link = Link(server)
    replica = Replica(server, "only", link=link)
    await asyncio.sleep(1)
    link.trouble = "hang"
    await asyncio.sleep(10)
    assert not replica.working
    await replica.stop()


async def test_a_short_outage_costs_nothing() -> None:
    server = FakeApiServer()
    replica = Replica(server, "only")
    await asyncio.sleep(5)
    server.fails = lambda sent: failure(500, "InternalError")
    await asyncio.sleep(7)
    server.fails = lambda sent: None
    await asyncio.sleep(60)
    assert replica.working
    await replica.stop()


@pytest.mark.parametrize("hangs", [1, 2])
@pytest.mark.parametrize("offset", [0.0, 0.3, 0.7, 1.0, 1.3, 1.7, 1.9])
async def test_requests_that_hang_after_an_outage_of_four_seconds_do_not_cost_the_leadership(
    offset: float, hangs: int
) -> None:
    server = FakeApiServer()
    link = Link(server)
    replica = Replica(server, "only", link=link)
    await asyncio.sleep(20 + offset)
    link.trouble, link.hangs = "break", hangs
    await asyncio.sleep(4)
    link.trouble = ""
    for _ in range(200):
        await asyncio.sleep(0.1)
        assert replica.working
    assert link.hangs == 0
    await replica.stop()


async def test_a_server_that_takes_three_seconds_for_each_request_is_fast_enough_to_lead() -> None:
    server = FakeApiServer()
    link = Link(server)
    replica = Replica(server, "only", link=link)
    await asyncio.sleep(5)
    link.trouble, link.slow_seconds = "slow", 3.0
    await asyncio.sleep(120)
    assert replica.working
    await replica.stop()


async def test_a_renewal_whose_reply_is_lost_is_recognised() -> None:
    server = FakeApiServer()
    replica = Replica(server, "only")
    await asyncio.sleep(5)
    lost = [True]

    def lose_once(sent: Sent) -> bool:
        return sent.method == "PUT" and bool(lost) and lost.pop()

    server.lose_reply = lose_once
    await asyncio.sleep(60)
    assert replica.working
    assert not lost
    await replica.stop()


async def test_work_that_does_not_stop_ends_the_process_before_the_lease_is_free() -> None:
    server = FakeApiServer()
    link = Link(server)
    replica, loop = Replica(server, "stubborn", link=link), asyncio.get_running_loop()
    await asyncio.sleep(5)
    replica.stubborn_seconds = 100
    link.trouble = "hang"
    began_at = loop.time()
    await replica.killed.wait()
    assert loop.time() - began_at < 15
    await replica.stop()


@pytest.mark.parametrize("pause", [0.01, 0.5, 1.5])
async def test_a_stop_that_is_asked_for_again_and_again_keeps_the_lease_until_the_work_is_gone(pause: float) -> None:
    server = FakeApiServer()
    first = Replica(server, "first")
    await asyncio.sleep(1)
    second = Replica(server, "second")
    await asyncio.sleep(10)
    tasks = len(asyncio.all_tasks()) - 1  # without the one that follows
    first.stubborn_seconds = 20
    while first.working:
        first.task.cancel()
        await asyncio.sleep(pause)
        assert not (first.working and holder(server) != "first")
        assert not (first.working and second.working)
    await asyncio.sleep(5)
    assert (first.task.cancelled(), second.working, holder(server)) == (True, True, "second")
    assert len(asyncio.all_tasks()) == tasks, "the second has as many as the first had"
    await second.stop()


async def test_a_lease_that_is_lost_while_the_work_is_being_stopped_ends_the_process_too() -> None:
    server = FakeApiServer()
    link = Link(server)
    replica, loop = Replica(server, "stubborn", link=link), asyncio.get_running_loop()
    await asyncio.sleep(5)
    replica.stubborn_seconds = 100
    replica.task.cancel()
    await asyncio.sleep(1)
    link.trouble = "hang"
    hung_at = loop.time()
    await replica.killed.wait()
    assert loop.time() - hung_at < 15
    link.trouble = ""
    await replica.stop()


async def test_work_that_fails_releases_the_lease_and_tells() -> None:
    server = FakeApiServer()

    async def fail() -> None:
        raise RuntimeError("a defect")

    elector = LeaderElector(
        Client(server, clock=LoopClock()), clock=LoopClock(), identity="a", namespace="ns", name="it"
    )
    with pytest.raises(RuntimeError, match="a defect"):
        await elector.run(fail)
    assert holder(server) == ""


@pytest.mark.parametrize("thief", [pytest.param("thief", id="and holds"), pytest.param("", id="and released")])
async def test_a_lease_that_somebody_else_took_is_not_taken_back(thief: str) -> None:
    server = FakeApiServer()
    replica = Replica(server, "first")
    await asyncio.sleep(5)
    lease = server.objects[PATH, "ns", "it"]
    server.put(PATH, {**lease, "spec": {**lease["spec"], "holderIdentity": thief}})
    async with asyncio.timeout(60):
        with pytest.raises(LeadershipLost):
            await replica.task
    assert holder(server) == thief
    assert not replica.working


def test_the_installation_lets_renewals_go_ahead_of_all_other_traffic() -> None:
    """Its FlowSchema names the account that the manager runs as, and where its Leases are."""
    install = Path(__file__).parents[2] / "config" / "release" / "latest.yaml"
    objects = list(yaml.safe_load_all(install.read_text()))
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    flow = next(one for one in objects if one["kind"] == "FlowSchema")["spec"]
    namespace = deployment["metadata"]["namespace"]
    account = {"name": deployment["spec"]["template"]["spec"]["serviceAccountName"], "namespace": namespace}
    assert flow["priorityLevelConfiguration"] == {"name": "leader-election"}
    (rule,) = flow["rules"]
    assert rule["subjects"] == [{"kind": "ServiceAccount", "serviceAccount": account}]
    (resources,) = rule["resourceRules"]
    assert (resources["apiGroups"], resources["resources"]) == ([LEASES.group], [LEASES.plural])
    assert resources["namespaces"] == ["*"]
    assert {"create", "get", "update", "patch", "delete", "list"} <= set(resources["verbs"])
    service_accounts = 9000
    assert flow["matchingPrecedence"] < service_accounts, "before the schema that takes all service accounts"


def test_durations_that_would_let_two_lead_are_refused() -> None:
    with pytest.raises(ValueError, match="must hold"):
        Timing(lease_seconds=10, renew_deadline_seconds=10)
