"""Probes, metrics and debugging over HTTP, and the watch on the event loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from kubechain.runtime.clock import SystemClock
from kubechain.runtime.controller import Result, controller
from kubechain.runtime.endpoints import EndpointServer
from kubechain.runtime.errors import RetryableError
from kubechain.runtime.health import Checks, HttpServer, LoopWatch, split_address
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager, Options
from test.runtime.fake_apiserver import FakeApiServer, failure
from test.runtime.widgets import PARTS, WIDGETS, WIDGETS_PATH, a_widget

REAL_TIME = True


def test_checks_are_rendered_as_kube_apiserver_does() -> None:
    checks = Checks()
    assert checks.render("readyz", verbose=False) == (200, "ok")
    checks.add("caches", lambda: "Widget: no answer yet")
    status, text = checks.render("readyz", verbose=False)
    assert status == 503
    assert text.splitlines() == ["[+]ping ok", "[-]caches failed: Widget: no answer yet", "readyz check failed"]
    assert checks.failures() == {"caches": "Widget: no answer yet"}
    checks.add("caches", lambda: "")
    assert checks.render("readyz", verbose=True)[1].endswith("readyz check passed\n")


ADDRESSES: list[tuple[str, str, tuple[str | None, int]]] = [
    ("every interface", ":8081", (None, 8081)),
    ("one address", "127.0.0.1:1", ("127.0.0.1", 1)),
    ("IPv6", "[::1]:80", ("::1", 80)),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in ADDRESSES], ids=[row[0] for row in ADDRESSES])
def test_addresses(text: str, expected: tuple[str | None, int]) -> None:
    assert split_address(text) == expected


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="host:port"):
        split_address("8081")


async def test_a_loop_that_stood_still_is_noticed() -> None:
    lags: list[float] = []
    measured = asyncio.Event()

    def note(lag: float) -> None:
        lags.append(lag)
        measured.set()

    watch = LoopWatch(clock=SystemClock(), on_lag=note)
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0)
    time.sleep(3.2)  # noqa: ASYNC251  this is the point
    await measured.wait()
    assert lags[0] > 2
    assert "stood still" in watch.check()
    task.cancel()


class Failing:
    async def reconcile(self, request: Request) -> Result:
        if request.name == "bad":
            raise RetryableError("busy", retry_after_seconds=100)
        return Result()


@asynccontextmanager
async def serving(server: FakeApiServer, *, debug: bool = True) -> AsyncGenerator[str]:
    """Run a manager with its HTTP server on a free port."""
    manager = Manager(server, options=Options(probe_address="127.0.0.1:0", metrics_address="127.0.0.1:0", debug=debug))
    controller(manager, "widget").for_(WIDGETS).owns(PARTS).complete(Failing())
    made: list[HttpServer | EndpointServer] = []
    create = manager._servers  # pyright: ignore[reportPrivateUsage]

    def remember() -> list[HttpServer | EndpointServer]:
        made.extend(create())
        return made

    manager._servers = remember  # pyright: ignore[reportPrivateUsage]
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await manager.wait_synced()
        yield f"http://127.0.0.1:{made[0].port}"
        manager.stop()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_probes_metrics_and_debugging_are_served() -> None:
    server = FakeApiServer()
    for name in ("good", "bad"):
        server.put(WIDGETS_PATH, a_widget(name))
    async with serving(server) as url:
        await asyncio.sleep(0.05)
        assert await get(f"{url}/healthz") == (200, "ok")
        status, text = await get(f"{url}/readyz?verbose")
        assert status == 200
        assert "[+]caches ok" in text
        metrics = (await get(f"{url}/metrics"))[1]
        facts = (await get(f"{url}/debug"))[1]
    for line in (
        'controller_runtime_reconcile_total{controller="widget",result="success"} 1.0',
        'controller_runtime_reconcile_total{controller="widget",result="requeue_after"} 1.0',
        'controller_runtime_max_concurrent_reconciles{controller="widget"} 10.0',
        'controller_runtime_active_workers{controller="widget"} 0.0',
        'workqueue_depth{controller="widget",name="widget"} 0.0',
        'workqueue_adds_total{controller="widget",name="widget"} 2.0',
        'workqueue_queue_duration_seconds_count{controller="widget",name="widget"} 2.0',
        'workqueue_work_duration_seconds_count{controller="widget",name="widget"} 2.0',
        'controller_runtime_reconcile_time_seconds_count{controller="widget"} 2.0',
        'rest_client_requests_total{code="200",host="kubernetes",method="GET"} 2.0',
        'kubechain_informer_objects{kind="Widget"} 2.0',
    ):
        assert line in metrics, line
    for name in ("controller_runtime_reconcile_errors_total", "workqueue_retries_total", "loop_lag", "informer_age"):
        assert name in metrics
    assert '"widgets"' in facts


async def test_what_is_for_debugging_is_served_only_where_it_is_asked_for() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("w", spec={"password": "hunter2"}))
    async with serving(server) as url:
        status, text = await get(f"{url}/debug")
        assert status == 200
        facts = json.loads(text)
        assert facts["caches"]["widgets"]["objects"] == 1
        assert facts["controllers"]["widget"]["ready"] >= 0
        assert facts["tasks"] > 3
        assert "hunter2" not in text
    async with serving(server, debug=False) as url:
        assert (await get(f"{url}/debug"))[0] == 404
        assert (await get(f"{url}/metrics"))[0] == 200


async def test_a_cache_that_cannot_fill_is_named_by_readyz() -> None:
    server = FakeApiServer()
    server.fails = lambda sent: failure(403, "Forbidden", "no rights") if "parts" in sent.target else None
    manager = Manager(server)
    controller(manager, "widget").for_(WIDGETS).owns(PARTS).complete(Failing())
    assert "not started" in manager.readiness.failures()["caches"]
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await asyncio.sleep(0.05)
        assert manager.readiness.failures()["caches"] == "Part: watch parts.example.com: Forbidden: no rights"
        manager.stop()
