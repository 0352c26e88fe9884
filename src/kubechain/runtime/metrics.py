"""Prometheus metrics under controller-runtime's names, so that dashboards made for Go operators work.

Each manager has its own registry. Counters and histograms are updated as events happen; gauges such as queue depth and
cache age are read at each scrape. What must not go here: metrics about our kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import CounterMetricFamily, Metric

from kubechain.runtime.workqueue import QueueStatistics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

QUEUE_BUCKETS = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""controller-runtime's buckets for the time in the queue, without its nanoseconds."""

RECONCILE_BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
    1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
)  # fmt: skip
"""controller-runtime's buckets for the time of a reconcile."""


class ControllerMetrics:
    """The metrics of one controller; label lookups are done once."""

    def __init__(self, metrics: Metrics, name: str, *, workers: int) -> None:
        """Look up the metrics with the label `name`."""
        self._waited = metrics.queue_duration.labels(name, name)
        self._worked = metrics.work_duration.labels(name, name)
        self._duration = metrics.reconcile_time.labels(name)
        self._active = metrics.active_workers.labels(name)
        self._errors = metrics.reconcile_errors.labels(name)
        self._terminal = metrics.terminal_errors.labels(name)
        self._panics = metrics.reconcile_panics.labels(name)
        outcomes = ("success", "error", "requeue", "requeue_after")
        self._totals = {outcome: metrics.reconcile_total.labels(name, outcome) for outcome in outcomes}
        metrics.max_concurrent.labels(name).set(workers)

    def started(self, *, waited_seconds: float, active: int) -> None:
        """Count the start of a reconcile."""
        self._waited.observe(waited_seconds)
        self._active.set(active)

    def ended(self, *, duration_seconds: float, active: int) -> None:
        """Count the end of a reconcile, whatever its result."""
        self._worked.observe(duration_seconds)
        self._duration.observe(duration_seconds)
        self._active.set(active)

    def reconciled(self, outcome: str) -> None:
        """Count the result of a reconcile.

        Args:
            outcome: `success`, `requeue_after`, `error`, `terminal` (an error without retry) or `panic` (an unexpected
                exception, so a defect).
        """
        if outcome in ("terminal", "panic"):
            (self._terminal if outcome == "terminal" else self._panics).inc()
            outcome = "error"
        self._totals[outcome].inc()
        if outcome == "error":
            self._errors.inc()


class Metrics:
    """The registry of one manager."""

    def __init__(self) -> None:
        """Register the metrics."""
        self.registry = registry = CollectorRegistry()
        self.reconcile_total = Counter(
            "controller_runtime_reconcile", "Reconciles per controller.", ["controller", "result"], registry=registry
        )
        self.reconcile_errors = Counter(
            "controller_runtime_reconcile_errors", "Failed reconciles.", ["controller"], registry=registry
        )
        self.terminal_errors = Counter(
            "controller_runtime_terminal_reconcile_errors", "Reconciles that failed for good.", ["controller"],
            registry=registry,
        )  # fmt: skip
        self.reconcile_panics = Counter(
            "controller_runtime_reconcile_panics", "Reconciles that ended with an unexpected exception.",
            ["controller"], registry=registry,
        )  # fmt: skip
        self.reconcile_time = Histogram(
            "controller_runtime_reconcile_time_seconds", "Time of a reconcile.", ["controller"],
            buckets=RECONCILE_BUCKETS, registry=registry,
        )  # fmt: skip
        self.active_workers = Gauge(
            "controller_runtime_active_workers", "Reconciles that run now.", ["controller"], registry=registry
        )
        self.max_concurrent = Gauge(
            "controller_runtime_max_concurrent_reconciles", "Reconciles that may run at once.", ["controller"],
            registry=registry,
        )  # fmt: skip
        self.queue_duration = Histogram(
            "workqueue_queue_duration_seconds", "Time a key waits in the queue.", ["name", "controller"],
            buckets=QUEUE_BUCKETS, registry=registry,
        )  # fmt: skip
        self.work_duration = Histogram(
            "workqueue_work_duration_seconds", "Time a key is worked on.", ["name", "controller"],
            buckets=QUEUE_BUCKETS, registry=registry,
        )  # fmt: skip
        self.rest_requests = Counter(
            "rest_client_requests", "Requests to the API server.", ["code", "method", "host"], registry=registry
        )
        self.leader = Gauge("leader_election_master_status", "1 while this replica leads.", ["name"], registry=registry)
        self.loop_lag = Gauge(
            "kubechain_event_loop_lag_seconds", "How late the event loop ran last.", registry=registry
        )
        self.queues = _Queues()
        registry.register(self.queues)

    def controller(self, name: str, *, workers: int) -> ControllerMetrics:
        """Return the metrics of one controller."""
        return ControllerMetrics(self, name, workers=workers)

    def follow_queue(self, name: str, statistics: Callable[[], QueueStatistics]) -> None:
        """Expose the statistics of a queue, read at each scrape."""
        self.queues.sources[name] = statistics

    def follow(self, source: Callable[[], Iterator[Metric]]) -> None:
        """Expose the metrics that `source` yields, read at each scrape."""
        self.registry.register(_Followed(source))

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Followed:
    def __init__(self, source: Callable[[], Iterator[Metric]]) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        yield from self._source()


class _Queues:
    """Reads the statistics of the queues at each scrape."""

    def __init__(self) -> None:
        self.sources: dict[str, Callable[[], QueueStatistics]] = {}

    def collect(self) -> Iterator[Metric]:
        labels = ["name", "controller"]
        depth = GaugeMetricFamily("workqueue_depth", "Keys that are ready.", labels=labels)
        delayed = GaugeMetricFamily("kubechain_workqueue_delayed", "Keys that wait for a time.", labels=labels)
        oldest = GaugeMetricFamily("kubechain_workqueue_oldest_seconds", "Age of the oldest ready key.", labels=labels)
        unfinished = GaugeMetricFamily(
            "workqueue_unfinished_work_seconds", "Time spent on keys that are being worked on, together.", labels=labels
        )
        longest = GaugeMetricFamily(
            "workqueue_longest_running_processor_seconds", "Time spent on the key that takes longest.", labels=labels
        )
        added = CounterMetricFamily("workqueue_adds", "Keys that became ready.", labels=labels)
        retried = CounterMetricFamily("workqueue_retries", "Keys that failed and wait.", labels=labels)
        for name, statistics in self.sources.items():
            now = statistics()
            depth.add_metric([name, name], now.ready)
            delayed.add_metric([name, name], now.delayed)
            oldest.add_metric([name, name], now.oldest_ready_seconds)
            unfinished.add_metric([name, name], now.unfinished_seconds)
            longest.add_metric([name, name], now.longest_processing_seconds)
            added.add_metric([name, name], now.added_total)
            retried.add_metric([name, name], now.retried_total)
        yield from (depth, delayed, oldest, unfinished, longest, added, retried)
