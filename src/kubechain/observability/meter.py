"""Counters and histograms in Prometheus' client library, from the table, with a bound on the values of each label."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily

from kubechain.observability.metrics import METRICS, Metric, MetricType

OTHER = "other"
"""Stands for the values of a label beyond its bound."""

VALUES_MAX = 500
"""Of one label: a cluster with more agents than that sums up the rest, and Prometheus keeps its memory."""


class Bounded:
    """The values of labels that are in use; those beyond the bound become `other`."""

    def __init__(self, values_max: int = VALUES_MAX) -> None:
        """Start without values."""
        self._values_max = values_max
        self._known: dict[str, set[str]] = {}

    def values(self, metric: Metric, values: tuple[str, ...]) -> tuple[str, ...]:
        """The values to use for the labels of a metric."""
        return tuple(self._value(label, value) for label, value in zip(metric.labels, values, strict=True))

    def _value(self, label: str, value: str) -> str:
        known = self._known.setdefault(label, set())
        if value not in known:
            if len(known) >= self._values_max:
                return OTHER
            known.add(value)
        return value


class Meter:
    """The counters and histograms of one process."""

    def __init__(self, registry: CollectorRegistry, *, values_max: int = VALUES_MAX) -> None:
        """Register all of the table that are not gauges."""
        self.bounded = Bounded(values_max)
        kinds: dict[MetricType, list[Metric]] = {type: [] for type in MetricType}
        for metric in METRICS.values():
            kinds[metric.type].append(metric)
        self._counters = {
            metric.name: Counter(metric.name, metric.help, metric.labels, registry=registry)
            for metric in kinds[MetricType.COUNTER]
        }
        self._histograms = {
            metric.name: Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=registry)
            for metric in kinds[MetricType.HISTOGRAM]
        }

    def count(self, metric: Metric, *values: str, by: float = 1) -> None:
        """Add to a counter."""
        if by > 0:
            self._counters[metric.name].labels(*self.bounded.values(metric, values)).inc(by)

    def observe(self, metric: Metric, *values: str, seconds: float) -> None:
        """Add a duration to a histogram; clocks that differ make none negative."""
        self._histograms[metric.name].labels(*self.bounded.values(metric, values)).observe(max(seconds, 0.0))


class Gauge:
    """One gauge, as it is now: made for a scrape."""

    def __init__(self, metric: Metric, bounded: Bounded) -> None:
        """Start without values."""
        self._metric, self._bounded = metric, bounded
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, *values: str, value: float) -> None:
        """Add to the sum of what has these labels."""
        labels = self._bounded.values(self._metric, values)
        self._values[labels] = self._values.get(labels, 0.0) + value

    def largest(self, *values: str, value: float) -> None:
        """Keep the largest value of what has these labels."""
        labels = self._bounded.values(self._metric, values)
        self._values[labels] = max(self._values.get(labels, value), value)

    @property
    def family(self) -> GaugeMetricFamily:
        """In the form that the client library exposes."""
        metric = self._metric
        family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        return family
