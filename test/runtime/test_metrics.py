"""Metrics have controller-runtime's and client-go's names, labels and meaning, so that their dashboards work here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from prometheus_client.metrics_core import Metric

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.controller import Result, controller
from kubechain.runtime.errors import RetryableError, TerminalError, TransportError
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Election, Manager, Options
from test.runtime.fake_apiserver import FakeApiServer
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, a_widget

NAMES: dict[str, tuple[str, set[str]]] = {
    "controller_runtime_reconcile_total": ("counter", {"controller", "result"}),
    "controller_runtime_reconcile_errors_total": ("counter", {"controller"}),
    "controller_runtime_terminal_reconcile_errors_total": ("counter", {"controller"}),
    "controller_runtime_reconcile_panics_total": ("counter", {"controller"}),
    "controller_runtime_reconcile_time_seconds": ("histogram", {"controller"}),
    "controller_runtime_max_concurrent_reconciles": ("gauge", {"controller"}),
    "controller_runtime_active_workers": ("gauge", {"controller"}),
    "workqueue_depth": ("gauge", {"name", "controller"}),
    "workqueue_adds_total": ("counter", {"name", "controller"}),
    "workqueue_retries_total": ("counter", {"name", "controller"}),
    "workqueue_queue_duration_seconds": ("histogram", {"name", "controller"}),
    "workqueue_work_duration_seconds": ("histogram", {"name", "controller"}),
    "workqueue_unfinished_work_seconds": ("gauge", {"name", "controller"}),
    "workqueue_longest_running_processor_seconds": ("gauge", {"name", "controller"}),
    "rest_client_requests_total": ("counter", {"code", "method", "host"}),
    "leader_election_master_status": ("gauge", {"name"}),
}
"""Type and labels of each in sigs.k8s.io/controller-runtime/pkg and k8s.io/client-go/tools/metrics."""


class Ending:
    """Ends by the name of the object; `slow` takes ten seconds, `slower` twenty."""

    async def reconcile(self, request: Request) -> Result:
        match request.name:
            case "final":
                raise TerminalError("spec")
            case "busy":
                raise RetryableError("later", retry_after_seconds=1000)
            case "defect":
                raise RuntimeError("boom")
            case "cut":
                raise TransportError("reset")
            case "slow" | "slower":
                await asyncio.sleep(10 if request.name == "slow" else 20)
                return Result()
            case _:
                return Result()


async def _measured(*names: str, seconds: float) -> list[Metric]:
    """Reconcile one object of each name, and scrape after a while."""
    server = FakeApiServer()
    for name in names:
        server.put(WIDGETS_PATH, a_widget(name))
    manager = Manager(server, clock=LoopClock(), options=Options(election=Election(namespace="ns", name="it")))
    controller(manager, "widget").for_(WIDGETS).complete(Ending())
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await asyncio.sleep(seconds)
        found = list(manager.metrics.registry.collect())
        manager.stop()
    return found


def _value(metrics: Iterable[Metric], metric_name: str, /, **labels: str) -> float:
    samples = (sample for metric in metrics for sample in metric.samples)
    return next((one.value for one in samples if one.name == metric_name and one.labels == labels), 0.0)


async def test_names_types_and_labels_are_those_of_controller_runtime() -> None:
    metrics = await _measured("good", "final", "defect", seconds=5)
    found: dict[str, tuple[str, set[str]]] = {}
    for metric in metrics:
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        labels = {label for sample in metric.samples for label in sample.labels} - {"le"}
        found[name] = (metric.type, labels)
    assert {name: found.get(name) for name in NAMES} == NAMES
    own = {name for name in found if not name.startswith("kubechain_")}
    assert own == set(NAMES), "a name of our own begins with kubechain_"


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        pytest.param("good", {"success": 1}, id="a success"),
        pytest.param("busy", {"requeue_after": 1}, id="a wish for another time"),
        pytest.param("final", {"error": 1, "errors": 1, "terminal": 1}, id="a final error is an error"),
        pytest.param("defect", {"error": 1, "errors": 1, "panics": 1, "retries": 1}, id="a defect is what a panic is"),
        pytest.param("cut", {"error": 1, "errors": 1, "retries": 1}, id="a lost reply is an error"),
    ],
)
async def test_each_ending_is_counted_where_controller_runtime_counts_it(name: str, counts: dict[str, int]) -> None:
    metrics = await _measured(name, seconds=0.0005)
    of, runtime = {"controller": "widget"}, "controller_runtime"
    found = {
        result: _value(metrics, f"{runtime}_reconcile_total", **of, result=result)
        for result in ("success", "error", "requeue_after", "requeue")
    } | {
        "errors": _value(metrics, f"{runtime}_reconcile_errors_total", **of),
        "terminal": _value(metrics, f"{runtime}_terminal_reconcile_errors_total", **of),
        "panics": _value(metrics, f"{runtime}_reconcile_panics_total", **of),
        "retries": _value(metrics, "workqueue_retries_total", **of, name="widget"),
    }
    assert {what: count for what, count in found.items() if count} == counts


async def test_work_that_is_going_on_is_shown() -> None:
    of = {"controller": "widget", "name": "widget"}
    for seconds, active, together, longest in ((6, 2, 12, 6), (16, 1, 16, 16), (30, 0, 0, 0)):
        metrics = await _measured("slow", "slower", "good", seconds=seconds)
        assert _value(metrics, "controller_runtime_active_workers", controller="widget") == active
        assert _value(metrics, "workqueue_unfinished_work_seconds", **of) == pytest.approx(together, abs=0.1)
        assert _value(metrics, "workqueue_longest_running_processor_seconds", **of) == pytest.approx(longest, abs=0.1)


async def test_who_leads_and_what_was_asked_of_the_server_is_shown() -> None:
    metrics = await _measured("good", seconds=5)
    assert _value(metrics, "leader_election_master_status", name="it") == 1
    assert _value(metrics, "rest_client_requests_total", code="200", method="GET", host="kubernetes") == 1


async def test_a_watch_that_cannot_be_opened_is_counted_as_client_go_does() -> None:
    server = FakeApiServer()
    server.failures.append(TransportError("refused"))
    manager = Manager(server, clock=LoopClock())
    controller(manager, "widget").for_(WIDGETS).complete(Ending())
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await manager.wait_synced()
        manager.stop()
    metrics = manager.metrics.registry.collect()
    assert _value(metrics, "rest_client_requests_total", code="<error>", method="GET", host="kubernetes") == 1
