"""Writes docs/metrics.md from the table of metrics. `make manifests` runs it; a test compares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from prometheus_client.metrics_core import Metric as Family

from kubechain.observability.meter import VALUES_MAX
from kubechain.observability.metrics import METRICS, Metric, MetricType
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.floods import FloodGuard, FloodLimits
from kubechain.runtime.manager import Manager
from kubechain.runtime.transport import Exchange

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"

TOP = f"""\
# Metrics

The manager serves these at `/metrics` (`--metrics-bind-address`). `make manifests` writes this page from
`src/kubechain/observability/metrics.py`, and the last table from what the runtime registers.

Counters and histograms count what this process wrote or called: they start at 0 with it, and only the replica that
works on a run counts it, so that a sum over all replicas is right. Gauges of runs, requests, circuits and Budgets come
from the caches, which every replica has: take the `max` over the replicas, not the sum. They are right after a restart.

A label has at most {VALUES_MAX} values in one process; what comes after them has the value `other`.
"""

OF_LOOPS = """
## Control loops

Those of controller-runtime and client-go have their names and labels.

| metric | type | meaning |
|---|---|---|
"""

TITLES = {
    MetricType.COUNTER: "Counters",
    MetricType.HISTOGRAM: "Histograms",
    MetricType.GAUGE: "Gauges",
}


def text() -> str:
    """The whole page."""
    parts = [TOP]
    for type, title in TITLES.items():
        parts.append(f"\n## {title}\n\n| metric | labels | meaning |\n|---|---|---|\n")
        parts += [_row(metric) for metric in METRICS.values() if metric.type is type]
    parts.append(OF_LOOPS)
    parts += [f"| `{_name(family)}` | {family.type} | {family.documentation} |\n" for family in runtime_families()]
    return "".join(parts)


def runtime_families() -> Iterator[Family]:
    """The metrics of a manager that reconciles nothing yet, by name."""
    nothing = cast(Exchange, None)  # nothing is sent before it runs
    registry = Manager(nothing, clock=SystemClock(), identity="page", pod="").metrics.registry
    found = [*registry.collect(), *FloodGuard(FloodLimits()).metrics()]
    yield from sorted(found, key=lambda family: family.name)


def _name(family: Family) -> str:
    """As Prometheus stores it."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {labels} | {metric.help} |\n"


if __name__ == "__main__":
    PAGE.write_text(text())
