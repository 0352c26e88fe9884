"""coordination.k8s.io/v1 Leases for leader election and replica liveness."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from kubechain.runtime.resource import Resource


class LeaseMetadata(msgspec.Struct, rename="camel", omit_defaults=True):
    """The metadata that we read and write; updates drop any other, since nobody else writes these leases."""

    name: str
    namespace: str
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[Any, ...] | None = None


class LeaseSpec(msgspec.Struct, rename="camel", omit_defaults=True):
    """Holder, times and duration of a lease."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(msgspec.Struct, rename="camel"):
    """One lease."""

    metadata: LeaseMetadata
    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)
    api_version: str = "coordination.k8s.io/v1"
    kind: str = "Lease"


LEASES: Resource[Lease] = Resource(
    group="coordination.k8s.io",
    version="v1",
    kind="Lease",
    plural="leases",
    decode=msgspec.json.Decoder(Lease).decode,
    encode=msgspec.json.Encoder().encode,
)


def micro_time(at: datetime) -> str:
    """Return metav1.MicroTime's form: always six digits."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_micro_time(text: str | None) -> datetime | None:
    """Parse metav1.MicroTime; None when it is missing or invalid."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def renewal_of(lease: Lease) -> str:
    """Return what changes with each renewal of a lease, and with its holder."""
    return f"{lease.metadata.uid} {lease.spec.holder_identity} {lease.spec.renew_time}"


@dataclass(slots=True)
class Observation:
    """Since when a lease has had the same renewal, on our own monotonic clock: clocks of others are not compared."""

    renewal: str
    since: float


class LeaseObserver:
    """Measures how long leases have not been renewed."""

    def __init__(self) -> None:
        """Create an observer that has seen no lease."""
        self._seen: dict[str, Observation] = {}

    def unchanged_seconds(self, lease: Lease, now: float) -> float:
        """Return for how long this lease has had the same renewal; 0 at the first look."""
        renewal = renewal_of(lease)
        seen = self._seen.get(lease.metadata.name)
        if seen is None or seen.renewal != renewal:
            seen = self._seen[lease.metadata.name] = Observation(renewal, now)
        return now - seen.since

    def keep(self, names: Set[str]) -> None:
        """Forget all leases except these, so that memory is bounded while replicas come and go."""
        for name in self._seen.keys() - names:
            del self._seen[name]
