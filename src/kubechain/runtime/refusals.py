"""Writes about existing objects that the API server refuses now: for readiness and metrics.

A status that cannot be written cannot say so itself. A refused create is not counted here: the status of the object
that wanted it says so.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from kubechain.net.foreign import cut
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import REFUSALS, ApiError, NotFound

FRESH_SECONDS = 60.0
"""A refused write is tried again within seconds: one that was not is no longer wanted."""

MESSAGE_LIMIT = 300


@dataclass(frozen=True, slots=True)
class _Refusal:
    kind: str
    namespace: str
    name: str
    error: ApiError
    at: float


@dataclass(slots=True)
class Refusals:
    """The objects whose last write was refused."""

    clock: Clock
    _last: dict[tuple[str, str, str], _Refusal] = field(default_factory=dict[tuple[str, str, str], _Refusal])
    _total: int = 0

    @contextmanager
    def watching(self, kind: str, namespace: str, name: str) -> Generator[None]:
        """Keep what becomes of one write."""
        key = (kind, namespace, name)
        try:
            yield
        except REFUSALS as error:
            self._total += 1
            self._last[key] = _Refusal(kind, namespace, name, error, self.clock.monotonic())
            raise
        except NotFound:
            self._last.pop(key, None)
            raise
        self._last.pop(key, None)

    def check(self) -> str:
        """Say which writes are refused, and why; empty when none is."""
        current = self._current()
        if not current:
            return ""
        newest = max(current, key=lambda refusal: refusal.at)
        where = f"{newest.namespace}/{newest.name}".lstrip("/")
        more = f" (and those of {len(current) - 1} more objects)" if len(current) > 1 else ""
        text = cut(str(newest.error), MESSAGE_LIMIT)
        return f"the API server refuses writes to {newest.kind} {where}{more}: {text} (HTTP {newest.error.status})"

    def metrics(self) -> Iterator[Metric]:
        """Yield how many objects wait for a write that is refused, and how many writes were refused so far."""
        yield GaugeMetricFamily(
            "kubechain_refused_objects", "Objects whose last write the API server refused.", value=len(self._current())
        )
        yield CounterMetricFamily(
            "kubechain_refused_writes", "Writes to existing objects that the API server refused.", value=self._total
        )

    def _current(self) -> list[_Refusal]:
        oldest = self.clock.monotonic() - FRESH_SECONDS
        self._last = {key: refusal for key, refusal in self._last.items() if refusal.at >= oldest}
        return list(self._last.values())
