"""The meter: a label has a bound on its values, and the table fits Prometheus' conventions."""

from __future__ import annotations

import re

import pytest
from prometheus_client import CollectorRegistry

from hack import metrics_page
from kubechain.observability import metrics
from kubechain.observability.meter import Bounded, Gauge, Meter
from kubechain.observability.metrics import METRICS, Metric, MetricType


def test_the_page_has_the_table_as_it_is() -> None:
    assert metrics_page.PAGE.read_text() == metrics_page.text()


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_metric_keeps_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"kubechain_[a-z_]+", metric.name)
    assert metric.help.endswith(".")
    assert (metric.type is MetricType.COUNTER) == metric.name.endswith("_total")
    assert (metric.type is MetricType.HISTOGRAM) == bool(metric.buckets)
    if metric.type is MetricType.HISTOGRAM:
        assert metric.name.endswith("_seconds")


def test_values_beyond_the_bound_are_summed_up_as_other() -> None:
    registry = CollectorRegistry()
    meter = Meter(registry, values_max=2)
    for agent in ("a", "b", "c", "d", "a"):
        meter.count(metrics.RUNS_STARTED, "team", agent)
    found = {
        agent: registry.get_sample_value("kubechain_runs_started_total", {"namespace": "team", "agent": agent})
        for agent in ("a", "b", "c", "other")
    }
    assert found == {"a": 2.0, "b": 1.0, "c": None, "other": 2.0}


def test_gauges_beyond_the_bound_are_summed_up_too() -> None:
    gauge = Gauge(metrics.RUNS, Bounded(1))
    for namespace in ("a", "b", "c"):
        gauge.add(namespace, "Pending", value=1)
    values = {sample.labels["namespace"]: sample.value for sample in gauge.family.samples}
    assert values == {"a": 1.0, "other": 2.0}


def test_a_clock_that_went_back_makes_no_negative_duration() -> None:
    registry = CollectorRegistry()
    Meter(registry).observe(metrics.QUEUE_WAIT, "team", "llm", seconds=-5)
    labels = {"namespace": "team", "llm": "llm"}
    assert registry.get_sample_value("kubechain_llm_queue_wait_seconds_sum", labels) == 0.0
