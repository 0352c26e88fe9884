"""Reports the state of a manager for readiness, metrics and debugging: caches, queues, tasks, events.

It changes nothing and exposes no object and no secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from kubechain.runtime.clock import Clock
from kubechain.runtime.events import EventSink
from kubechain.runtime.health import Page
from kubechain.runtime.informer import Informer
from kubechain.runtime.loop import Controller
from kubechain.runtime.metrics import CONTENT_TYPE, Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The parts of a manager that are reported.

    Attributes:
        controllers: called for each report, since controllers are added later.
    """

    identity: str
    clock: Clock
    informers: Iterable[Informer[Any]]
    controllers: Callable[[], Iterable[Controller]]
    events: EventSink
    metrics: Metrics

    def caches_error(self) -> str:
        """Describe the caches that are not filled yet; empty when all are."""
        return "; ".join(informer.describe() for informer in self.informers if not informer.synced)

    def cache_metrics(self) -> Iterator[Metric]:
        """Yield age and size of each cache."""
        labels = ["kind"]
        age = GaugeMetricFamily("kubechain_informer_age_seconds", "Since data was last received.", labels=labels)
        size = GaugeMetricFamily("kubechain_informer_objects", "Objects in the cache.", labels=labels)
        now = self.clock.monotonic()
        for informer in self.informers:
            age.add_metric([informer.resource.kind], now - informer.received_at)
            size.add_metric([informer.resource.kind], len(informer.store))
        yield from (age, size)

    def event_metrics(self) -> Iterator[Metric]:
        """Yield what became of recorded events, and how many wait."""
        now = self.events.statistics()
        total = CounterMetricFamily("kubechain_events", "Recorded events by what became of them.", labels=["outcome"])
        for outcome in ("written", "aggregated", "filtered", "dropped"):
            total.add_metric([outcome], getattr(now, outcome))
        waiting = GaugeMetricFamily("kubechain_events_waiting", "Events that are not written yet.")
        waiting.add_metric([], now.pending)
        yield from (total, waiting)

    def pages(self, *, debug: bool) -> dict[str, Page]:
        """Return the pages of the metrics server, by path."""
        pages: dict[str, Page] = {"/metrics": self._metrics_page}
        return pages | {"/debug": self._debug_page} if debug else pages

    async def _metrics_page(self, query: Mapping[str, str]) -> tuple[int, str, str]:
        del query
        return 200, CONTENT_TYPE, self.metrics.exposition().decode()

    async def _debug_page(self, query: Mapping[str, str]) -> tuple[int, str, str]:
        del query
        text = msgspec.json.format(msgspec.json.encode(self._facts()), indent=2).decode()
        return 200, "application/json", text

    def _facts(self) -> dict[str, Any]:
        controllers, informers = self.controllers(), self.informers
        return {
            "identity": self.identity,
            "tasks": len(asyncio.all_tasks()),
            "controllers": {one.name: {"active": one.active, **asdict(one.queue.statistics())} for one in controllers},
            "caches": {one.resource.plural: {**one.store.statistics(), "error": one.last_error} for one in informers},
            "events": asdict(self.events.statistics()),
        }
