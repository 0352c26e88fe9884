"""Writes docs/metrics.md from the table of metrics. `make manifests` runs it; a test compares."""

from __future__ import annotations

from pathlib import Path

from kubechain.observability.meter import VALUES_MAX
from kubechain.observability.metrics import METRICS, Metric, MetricType

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"

TOP = f"""\
# Metrics

The manager serves these at `/metrics` (`--metrics-bind-address`), beside the metrics of the control loops, which have
controller-runtime's and client-go's names (`controller_runtime_*`, `workqueue_*`, `rest_client_requests_total`,
`leader_election_master_status`). `make manifests` writes this page from `src/kubechain/observability/metrics.py`.

Counters and histograms count what this process wrote or called: they start at 0 with it, and only the replica that
works on a run counts it, so that a sum over all replicas is right. Gauges of runs, requests, circuits and Budgets come
from the caches, which every replica has: take the `max` over the replicas, not the sum. They are right after a restart.

A label has at most {VALUES_MAX} values in one process; what comes after them has the value `other`.
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
    return "".join(parts)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {labels} | {metric.help} |\n"


if __name__ == "__main__":
    PAGE.write_text(text())
