"""What the log says of an API server that cannot be used: one line, however many requests fail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import Expired, Forbidden, InternalError, NotFound, TransportError, Unauthorized
from kubechain.runtime.informer import Informers
from kubechain.runtime.leases import LEASES
from kubechain.runtime.outages import NO_KIND, Outages, rule_for
from test.runtime.fake_apiserver import FakeApiServer, failure
from test.runtime.widgets import PARTS, WIDGETS

SERVER = "https://10.0.0.1:6443, /home/me/.kube/config (prod)"


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


def loud(logs: list[EventDict]) -> list[tuple[str, str]]:
    """Level and event of the lines above debug."""
    return [(line["log_level"], line["event"]) for line in logs if line["log_level"] != "debug"]


LOST = TransportError("WATCH /apis/widgets: connection refused", reason="connection refused")


async def test_a_server_that_never_answered_is_told_at_once_and_ever_more_rarely(logs: list[EventDict]) -> None:
    outages = Outages(clock=LoopClock(), server=SERVER)
    for _ in range(2_400):
        outages.failed(LOST, what="watch widgets")
        await asyncio.sleep(1)
    assert set(loud(logs)) == {("warning", "the API server cannot be reached, trying again")}
    told = [line for line in logs if line["log_level"] == "warning"]
    assert [line["duration_seconds"] for line in told] == [None, 30, 90, 210, 450, 930, 1530, 2130]
    assert {(line["server"], line["error"]) for line in told} == {(SERVER, "connection refused")}


async def test_a_second_outage_is_told_soon_however_long_the_first_was(logs: list[EventDict]) -> None:
    outages = Outages(clock=LoopClock())
    for reached in (True, False):
        for _ in range(1_000 if reached else 40):
            outages.failed(LOST, what="watch widgets")
            await asyncio.sleep(1)
        if reached:
            outages.succeeded("watch widgets")
            logs.clear()
    assert ("warning", "the API server cannot be reached, trying again") in loud(logs)


async def test_watches_that_are_too_late_after_an_outage_are_not_told(logs: list[EventDict]) -> None:
    outages = Outages(clock=LoopClock())
    outages.succeeded("watch widgets")
    outages.failed(Expired(410, message="too old"), what="watch widgets")
    assert loud(logs) == []


async def test_a_cut_watch_of_a_cache_that_was_filled_at_the_start_is_not_told(logs: list[EventDict]) -> None:
    server = FakeApiServer()
    informer = Informers(exchange=server, clock=LoopClock()).of(WIDGETS)
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    server.break_watches(TransportError("reset"))
    await asyncio.sleep(0.5)
    assert loud(logs) == []
    assert [line["event"] for line in logs] == ["the API server cannot be reached, trying again"]
    task.cancel()
    await asyncio.wait([task])


async def test_a_watch_that_is_cut_and_goes_on_is_not_told(logs: list[EventDict]) -> None:
    outages = Outages(clock=LoopClock())
    for _ in range(10):
        outages.succeeded("watch widgets")
        outages.failed(TransportError("reset"), what="watch widgets")
        await asyncio.sleep(1)
    assert loud(logs) == []


async def test_a_server_that_is_away_for_a_while_is_told_twice_away_and_back(logs: list[EventDict]) -> None:
    outages = Outages(clock=LoopClock())
    outages.succeeded("watch widgets")
    for _ in range(20):
        outages.failed(TransportError("reset"), what="watch widgets")
        await asyncio.sleep(1)
    outages.succeeded("watch widgets")
    away, back = loud(logs)
    assert (away[0], back) == ("warning", ("info", "the API server can be reached again"))


@pytest.mark.parametrize(
    ("error", "event"),
    [
        pytest.param(Unauthorized(401, message="no"), "the API server refuses the credentials, trying again", id="401"),
        pytest.param(NotFound(404, message="404 page not found"), NO_KIND, id="404"),
        pytest.param(Forbidden(403, message="no"), "a permission is missing, trying again", id="403"),
    ],
)
async def test_a_refusal_is_told_once(error: Exception, event: str, logs: list[EventDict]) -> None:
    outages = Outages(clock=LoopClock())
    for _ in range(20):
        outages.failed(error, what="watch widgets", rule="the rule")
        await asyncio.sleep(1)
    assert loud(logs) == [("warning", event)]


async def test_an_object_that_is_missing_is_no_missing_kind(logs: list[EventDict]) -> None:
    outages = Outages(clock=LoopClock())
    outages.failed(NotFound(404, reason="NotFound", message='namespaces "ours" not found'), what="create leases")
    assert loud(logs) == [("info", "request failed, trying again")]


async def test_each_missing_right_is_told_with_its_rule(logs: list[EventDict]) -> None:
    server = FakeApiServer()
    server.fails = lambda sent: failure(403, "Forbidden", "not allowed")
    informers = Informers(exchange=server, clock=LoopClock(), namespaces=("one",))
    running = [asyncio.create_task(informers.of(kind).run()) for kind in (WIDGETS, PARTS)]
    await asyncio.sleep(300)
    assert [line["missing_rule"] for line in logs if line["log_level"] == "warning"] == [
        f'Role in namespace one: {{apiGroups: ["example.com"], resources: [{plural}], verbs: [get, list, watch]}}'
        for plural in ("widgets", "parts")
    ]
    server.fails = lambda sent: None
    await asyncio.sleep(60)
    assert loud(logs)[2:] == [("info", "permitted now")] * 2
    for task in running:
        task.cancel()
    await asyncio.wait(running)


def test_a_rule_for_all_namespaces_is_one_of_a_cluster_role() -> None:
    rule = rule_for(LEASES, "get", None)
    assert rule == 'ClusterRole: {apiGroups: ["coordination.k8s.io"], resources: [leases], verbs: [get]}'


async def test_another_failure_is_told_when_it_is_new(logs: list[EventDict]) -> None:
    outages = Outages(clock=LoopClock())
    for _ in range(3):
        outages.failed(InternalError(500, message="etcd"), what="watch widgets")
    outages.succeeded("watch widgets")
    outages.failed(InternalError(500, message="etcd"), what="watch widgets")
    assert loud(logs) == [("info", "request failed, trying again")] * 2
