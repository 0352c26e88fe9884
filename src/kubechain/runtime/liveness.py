"""Which replicas of the manager are alive: the question whether an interrupted piece of work is an orphan.

A holder is `<pod>_<uuid of the process>`. Each replica keeps one Lease that says that it lives; a replica whose lease
is missing, or has not been renewed for its duration as seen on our own clock, is gone. A process with our pod's name
and another uuid is our predecessor: gone at once. A wrong verdict costs a repeated claim, never safety: claims are
compare-and-swap.

Used by reconcilers through the `Liveness` protocol. What must not go here: what is done about orphans.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from typing import Protocol

import structlog

from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    InternalError,
    NotFound,
    ServerTimeout,
    ServiceUnavailable,
    TooManyRequests,
    TransportError,
)
from kubechain.runtime.leases import (
    LEASES,
    Lease,
    LeaseMetadata,
    LeaseObserver,
    LeaseSpec,
    micro_time,
    parse_micro_time,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

DURATION_SECONDS = 30
RENEW_SECONDS = 10.0
"""Three renewals may fail before others think that we are gone."""

PASSING = (TransportError, Conflict, TooManyRequests, InternalError, ServiceUnavailable, ServerTimeout)
"""Failures of a create that say nothing about us; a resource quota, for one, answers 409 when others create too."""

START_SECONDS = 2.0
"""Between two tries to announce this replica while the server cannot be reached."""

OWN_LOOK_SECONDS = 12.0
"""How long we watch a lease ourselves, however old it claims to be: clocks differ, and a living replica renews at least
once in this time. The rest of its duration may have passed before we looked."""

ROLE_LABEL = "app.kubernetes.io/component"
ROLE = "replica-liveness"

SWEEP_SECONDS = 300.0
ABANDONED_SECONDS = 600.0
"""Leases of replicas that crashed are deleted by the others after this long without renewal."""


class Liveness(Protocol):
    """Says whether the holder of a claim is gone."""

    async def is_gone(self, holder: str) -> bool | float:
        """Return True when the holder is gone, False when it is this process, else the seconds until the next look."""
        ...


class SoleReplica:
    """For planes where this is the only manager: every other holder is a process of the past. Costs no requests."""

    def __init__(self, identity: str) -> None:
        """Create it for this process's identity."""
        self._identity = identity

    async def is_gone(self, holder: str) -> bool | float:
        """Return whether it is not us."""
        return holder != self._identity


class LeaseLiveness:
    """Says that we live, and knows who else does, by Leases."""

    def __init__(self, client: Client, *, clock: Clock, identity: str, namespace: str) -> None:
        """Create it; the own lease is made by `start`.

        Args:
            client: for the leases.
            clock: for times and deadlines.
            identity: `<pod>_<uuid of the process>`.
            namespace: where the leases live.
        """
        self._client = client
        self._clock = clock
        self._identity = identity
        self._pod = _pod_of(identity)
        self._namespace = namespace
        self._observer = LeaseObserver()
        self._swept_at = clock.monotonic()

    async def start(self) -> None:
        """Make the own lease, however long that takes; awaited before anything is claimed under this identity.

        Raises:
            ApiError: the server refuses it.
        """
        while True:
            try:
                await self._client.create(LEASES, self._lease())
            except AlreadyExists:  # the reply to an earlier try was lost
                return
            except PASSING as error:
                log.warning("liveness not announced yet", error=f"{type(error).__name__}: {error}"[:256])
                await self._clock.sleep(START_SECONDS)
                continue
            return

    async def run(self) -> None:
        """Renew until cancelled; then delete the own lease."""
        try:
            while True:
                await self._clock.sleep(RENEW_SECONDS * self._clock.random.uniform(0.9, 1.0))
                await self._tend()
        finally:
            await self._depart()

    async def is_gone(self, holder: str) -> bool | float:
        """Judge a holder; see `Liveness`."""
        if holder == self._identity:
            return False
        if _pod_of(holder) == self._pod:
            return True
        try:
            lease = await self._client.get(LEASES, self._namespace, lease_name(holder))
        except NotFound:
            return True
        if lease.spec.holder_identity != holder:
            return True
        duration = float(lease.spec.lease_duration_seconds or DURATION_SECONDS)
        unchanged = self._observer.unchanged_seconds(lease, self._clock.monotonic())
        unchanged = max(unchanged, min(self._age_seconds(lease), duration - OWN_LOOK_SECONDS + unchanged))
        return True if unchanged >= duration else duration - unchanged

    def _age_seconds(self, lease: Lease) -> float:
        """How old the last renewal says it is; worth as much as two clocks agree."""
        renewed_at = parse_micro_time(lease.spec.renew_time)
        return 0.0 if renewed_at is None else (self._clock.now() - renewed_at).total_seconds()

    async def _tend(self) -> None:
        try:
            async with asyncio.timeout(RENEW_SECONDS):
                await self._renew()
                if self._clock.monotonic() - self._swept_at >= SWEEP_SECONDS:
                    self._swept_at = self._clock.monotonic()
                    await self._sweep()
        except (ApiError, TransportError, TimeoutError) as error:
            log.warning("liveness not renewed", error=f"{type(error).__name__}: {error}"[:256])

    async def _renew(self) -> None:
        patch = {"spec": {"renewTime": micro_time(self._clock.now()), "holderIdentity": self._identity}}
        try:
            await self._client.patch(LEASES, self._namespace, lease_name(self._identity), patch)
        except NotFound:  # swept by a replica that could not see us renew
            await self._client.create(LEASES, self._lease())

    async def _sweep(self) -> None:
        """Delete what crashed replicas left behind."""
        now = self._clock.monotonic()
        leases = await self._client.list(LEASES, self._namespace, label_selector=f"{ROLE_LABEL}={ROLE}")
        self._observer.keep({lease.metadata.name for lease in leases})
        for lease in leases:
            if self._observer.unchanged_seconds(lease, now) < ABANDONED_SECONDS:
                continue
            name, version = lease.metadata.name, lease.metadata.resource_version
            with suppress(NotFound, Conflict):
                await self._client.delete(LEASES, self._namespace, name, resource_version=version)

    async def _depart(self) -> None:
        try:
            async with asyncio.timeout(2.0):
                await self._client.delete(LEASES, self._namespace, lease_name(self._identity))
        except (ApiError, TransportError, TimeoutError) as error:
            log.info("own liveness lease left to expire", error=type(error).__name__)

    def _lease(self) -> Lease:
        now = micro_time(self._clock.now())
        return Lease(
            metadata=LeaseMetadata(
                name=lease_name(self._identity), namespace=self._namespace, labels={ROLE_LABEL: ROLE}
            ),
            spec=LeaseSpec(
                holder_identity=self._identity,
                lease_duration_seconds=DURATION_SECONDS,
                acquire_time=now,
                renew_time=now,
            ),
        )


def lease_name(identity: str) -> str:
    """Return the name of the lease that says that a replica lives."""
    return f"kubechain-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def _pod_of(holder: str) -> str:
    return holder.rpartition("_")[0]
