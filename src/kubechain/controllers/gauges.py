"""What is there now, for Prometheus: read from the caches at each scrape, so that it is right after a restart.

Runs and requests are kept as a few values each, brought up to date by the changes of their caches, since there may be
many thousands; LLMs, Budgets and connections are few and are read when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from prometheus_client.metrics_core import Metric

from kubechain.api import conditions
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.llm import LLM
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers.namespacebudgets import BudgetBook, BudgetUse
from kubechain.observability import metrics
from kubechain.observability.meter import Bounded, Gauge
from kubechain.runtime.changes import Change
from kubechain.runtime.clock import Clock
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

WAITING = frozenset({"", *map(str, (TaskRunPhase.INITIALIZING, TaskRunPhase.PENDING, TaskRunPhase.READY_FOR_LLM))})
"""Phases in which a run waits to be worked on."""


@dataclass(frozen=True, slots=True)
class _Run:
    namespace: str
    phase: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Asked:
    namespace: str
    type: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class CacheGauges:
    """The gauges of runs and requests."""

    bounded: Bounded
    clock: Clock
    _runs: dict[Request, _Run] = field(default_factory=dict[Request, _Run])
    _asked: dict[Request, _Asked] = field(default_factory=dict[Request, _Asked])

    def run_changed(self, change: Change[Any]) -> None:
        """Keep what the gauges need of a run."""
        run: TaskRun | None = change.current()
        if run is None:
            self._runs.pop(change.key, None)
            return
        phase = str(run.status.phase or "")
        self._runs[change.key] = _Run(run.metadata.namespace, phase, run.metadata.creation_timestamp)

    def request_changed(self, change: Change[Any]) -> None:
        """Keep what the gauges need of a request, while it is open."""
        self._asked.pop(change.key, None)
        asked: HumanRequest | None = change.current()
        if asked is None or asked.status.is_over:
            return
        if (created_at := asked.metadata.creation_timestamp) is not None:
            request = asked.spec.request
            self._asked[change.key] = _Asked(
                asked.metadata.namespace, str(request.type), created_at, request.expires_at
            )

    def collect(self) -> Iterator[Metric]:
        """The gauges as they are now."""
        yield from self._of_runs()
        yield from self._of_requests()

    def _of_runs(self) -> Iterator[Metric]:
        runs, oldest = Gauge(metrics.RUNS, self.bounded), Gauge(metrics.OLDEST_RUN, self.bounded)
        for run in self._runs.values():
            runs.add(run.namespace, run.phase, value=1)
            if run.phase in WAITING and run.created_at is not None:
                oldest.largest(run.namespace, value=self._age_seconds(run.created_at))
        yield from (runs.family, oldest.family)

    def _of_requests(self) -> Iterator[Metric]:
        count, oldest, used = (
            Gauge(metric, self.bounded)
            for metric in (metrics.OPEN_REQUESTS, metrics.OLDEST_REQUEST, metrics.REQUEST_LIFE)
        )
        for asked in self._asked.values():
            age_seconds = self._age_seconds(asked.created_at)
            count.add(asked.namespace, asked.type, value=1)
            oldest.largest(asked.namespace, asked.type, value=age_seconds)
            if asked.expires_at is not None:
                life_seconds = (asked.expires_at - asked.created_at).total_seconds()
                used.largest(asked.namespace, asked.type, value=age_seconds / max(life_seconds, 1.0))
        yield from (count.family, oldest.family, used.family)

    def _age_seconds(self, since: datetime) -> float:
        return max((self.clock.now() - since).total_seconds(), 0.0)


def circuits(llms: Lister[LLM], bounded: Bounded) -> Callable[[], Iterator[Metric]]:
    """The gauge of circuits, as the LLMs' conditions say it."""

    def collect() -> Iterator[Metric]:
        gauge = Gauge(metrics.CIRCUIT_OPEN, bounded)
        for llm in llms.list():
            is_open = conditions.is_true(llm.status.conditions, conditions.CIRCUIT_OPEN)
            gauge.largest(llm.metadata.namespace, llm.metadata.name, value=float(is_open))
        yield gauge.family

    return collect


def budgets(book: BudgetBook, bounded: Bounded) -> Callable[[], Iterator[Metric]]:
    """The gauge of Budgets, as runs are held by them."""

    def collect() -> Iterator[Metric]:
        gauge = Gauge(metrics.BUDGET_USED, bounded)
        for budget in book.budgets.list():
            for limit, ratio in _used(book.use(budget)):
                gauge.largest(budget.metadata.namespace, budget.metadata.name, limit, value=ratio)
        yield gauge.family

    return collect


def _used(use: BudgetUse) -> Iterator[tuple[str, float]]:
    spec = use.budget.spec
    if spec.max_tokens:
        yield "tokens", use.spent.tokens / spec.max_tokens
    if spec.max_cost is not None and (most := Decimal(spec.max_cost)):
        yield "cost", float(use.spent.cost / most)


def connections(phases: Callable[[], Mapping[Any, int]], bounded: Bounded) -> Callable[[], Iterator[Metric]]:
    """The gauge of connections to MCP servers.

    Args:
        phases: How many are in each state.
    """

    def collect() -> Iterator[Metric]:
        gauge = Gauge(metrics.MCP_CONNECTIONS, bounded)
        for phase, count in phases().items():
            gauge.add(str(phase), value=count)
        yield gauge.family

    return collect


def queues(
    in_use: Callable[[], Iterator[tuple[Request, int, int]]], bounded: Bounded
) -> Callable[[], Iterator[Metric]]:
    """The gauges of the queues of LLMs.

    Args:
        in_use: Each LLM in use, with how many runs are queued and how many calls are in flight.
    """

    def collect() -> Iterator[Metric]:
        queued, in_flight = Gauge(metrics.QUEUED_RUNS, bounded), Gauge(metrics.CALLS_IN_FLIGHT, bounded)
        for llm, waiting_count, call_count in in_use():
            queued.add(llm.namespace, llm.name, value=waiting_count)
            in_flight.add(llm.namespace, llm.name, value=call_count)
        yield from (queued.family, in_flight.family)

    return collect
