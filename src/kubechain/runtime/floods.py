"""What an inbound port takes and refuses, by address and in all. Never waits, and holds little.

An address whose requests are refused again and again is answered late and without a look at what it sends: neither a
signature is checked for it, nor is a body read. What is refused is counted and told in one line a minute.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog
from prometheus_client.metrics_core import CounterMetricFamily, Metric

from kubechain.runtime.proxies import Network

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

TELL_SECONDS = 60.0
"""Between two log lines about what was refused."""

ADDRESSES_MAX = 4_096
"""Addresses that are remembered; beyond it the one that was refused longest ago is forgotten."""

IN_ALL = ""
"""The bucket of all addresses together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodLimits:
    """Limits of a port.

    Attributes:
        connections: Open at the same time; further ones wait in the system's queue.
        connections_per_address: Further ones are closed at once. A proxy that is not trusted is one address.
        accepts_per_second: New connections.
        refusals_per_second: Of one address; beyond it its requests are not looked at.
        refusals_per_second_in_all: Of all addresses together.
        delay_seconds: Before such a request is answered, and its connection closed.
        trusted_proxies: Networks of proxies whose `X-Forwarded-For` says whose request they pass on; their connections
            count only among all.
    """

    connections: int = 512
    connections_per_address: int = 256
    accepts_per_second: int = 500
    refusals_per_second: float = 100.0
    refusals_per_second_in_all: float = 500.0
    delay_seconds: float = 1.0
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(slots=True)
class _Bucket:
    """Refusals that may still be looked at; it is full after a second without one."""

    left: float
    at: float


class FloodGuard:
    """Counts what one port refuses, and says what it still looks at.

    Attributes:
        refused: How much was refused since the start, by reason.
    """

    def __init__(self, limits: FloodLimits, now: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing refused.

        Args:
            now: Monotonic seconds.
        """
        self.refused: Counter[str] = Counter()
        self._limits = limits
        self._now = now
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._untold: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def looks_at(self, address: str) -> bool:
        """Whether a request of an address is looked at."""
        places = (origin_of(address), IN_ALL)
        return all(self._left(place) >= 1.0 for place in places if place in self._buckets)

    def refuse(self, reason: str, address: str | None = None) -> None:
        """Count what is refused.

        Args:
            address: Whose request was looked at; None where nothing was.
        """
        self.refused[reason] += 1
        self._untold[reason] += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_SECONDS, self.tell)
        if address is not None:
            for place in (origin_of(address), IN_ALL):
                self._take(place)

    def tell(self) -> None:
        """Log what was refused since the last line."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._untold:
            log.warning("inbound requests refused", **dict(sorted(self._untold.items())))
            self._untold.clear()

    def metrics(self) -> Iterator[Metric]:
        """Yield what was refused."""
        total = CounterMetricFamily(
            "kubechain_inbound_refused", "Connections and requests that the inbound port refused.", labels=["reason"]
        )
        for reason, count in self.refused.items():
            total.add_metric([reason], count)
        yield total

    def _rate(self, place: str) -> float:
        return self._limits.refusals_per_second_in_all if place == IN_ALL else self._limits.refusals_per_second

    def _left(self, place: str) -> float:
        bucket, rate = self._buckets[place], self._rate(place)
        return min(rate, bucket.left + (self._now() - bucket.at) * rate)

    def _take(self, place: str) -> None:
        left = self._left(place) if place in self._buckets else self._rate(place)
        self._buckets[place] = _Bucket(max(0.0, left - 1.0), self._now())
        self._buckets.move_to_end(place)
        if len(self._buckets) > ADDRESSES_MAX:
            self._buckets.popitem(last=False)


def origin_of(address: str) -> str:
    """What counts as one address: of IPv6 a /64, which one host has as a whole."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
