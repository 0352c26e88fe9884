"""Which replicas of the manager are alive, so that work claimed by a dead replica can be taken over.

A holder is `<pod>_<uuid of the process>`. Each replica renews a Lease of its own; a replica is gone when its lease is
missing, names another holder, or has not been renewed for its duration as measured on our own clock. A holder with our
pod's name and another uuid is a previous process of this pod and gone at once; its lease is deleted, so that the others
know it too. A wrong result costs a repeated claim, never safety: claims are compare-and-swap. The take-over itself must
not go here.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

import structlog

from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Invalid,
    NotFound,
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
from kubechain.runtime.outages import Outages, rule_for

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

DURATION_SECONDS = 30
RENEW_SECONDS = 10.0
"""Three renewals may fail before other replicas consider this one gone."""

NEVER = (BadRequest, Invalid)
"""Failures of a create that no change of the cluster mends. Rights, quotas and namespaces may still come."""

RETRY_SECONDS = 2.0
"""Between two attempts at a request about Leases that failed."""

CALL_SECONDS = 5.0
"""Limit for one of them."""

FRESH_SECONDS = 20.0
"""For how long after a renewal a replica may start work that others take over when its lease runs out: what it starts
at the end has the rest of the duration to be claimed."""

OWN_LOOK_SECONDS = 12.0
"""How long we observe a lease before we call its holder gone, whatever renewTime it has: clocks differ, and a living
replica renews at least once in this time."""

WHAT = "renew the Lease that says that this replica lives"

ROLE_LABEL = "app.kubernetes.io/component"
ROLE = "replica-liveness"

SWEEP_SECONDS = 300.0
ABANDONED_SECONDS = 600.0
"""Leases of crashed replicas are deleted by the others after this long without renewal."""


class Liveness(Protocol):
    """Tells whether the holder of a claim is gone."""

    async def is_gone(self, holder: str, bucket: int | None = None) -> bool | float:
        """Return True when the holder is gone, False when it is this process, else the seconds until the next look.

        Args:
            holder: of a claim.
            bucket: of what it claimed, where replicas share: one that lives may have ended its work there.
        """
        ...


class Sharer(Protocol):
    """Shares work with other replicas as long as their leases say that they live."""

    async def read_again(self) -> None:
        """Read who does what from the server: our lease had run out, and others may have taken our work.

        Raises:
            ApiError: the server refused.
            TransportError: it was not reached.
        """
        ...

    def resume(self) -> None:
        """Go on: our lease is fresh again."""
        ...

    def released(self, lease: Lease, bucket: int | None) -> bool:
        """Tell whether the holder of a lease works on nothing in a bucket of ours."""
        ...


class SoleReplica:
    """Liveness where this is the only manager: every other holder is a previous process. Needs no requests."""

    def __init__(self, identity: str) -> None:
        """Create it for this process's identity."""
        self._identity = identity

    async def is_gone(self, holder: str, bucket: int | None = None) -> bool | float:
        """Return whether the holder is another process."""
        del bucket
        return holder != self._identity


class LeaseLiveness:
    """Liveness by Leases: renews our own and looks at those of others."""

    def __init__(
        self, client: Client, *, clock: Clock, identity: str, namespace: str, pod: str = "",
        outages: Outages | None = None,
    ) -> None:  # fmt: skip
        """Create it; the own lease is made by `start`.

        Args:
            client: for the leases.
            clock: for times and deadlines.
            identity: `<pod>_<uuid of the process>`.
            namespace: where the leases live.
            pod: the pod that this process runs in; empty outside of pods, where several managers of one host have
                identities that begin alike, and none knows that another has ended.
            outages: logs what fails; None logs for these leases alone.
        """
        self._outages = outages or Outages(clock=clock)
        self._client = client
        self._clock = clock
        self._identity = identity
        self._pod = pod
        self._namespace = namespace
        self.observer = LeaseObserver()
        """Knows since when the leases of others have had the same renewal; whoever sees them may feed it."""
        self._swept_at = clock.monotonic()
        self._renewed_at = float("-inf")
        self._has_ended = False
        self._annotations: dict[str, str] = {}
        self._sharer: Sharer | None = None

    @property
    def is_fresh(self) -> bool:
        """Tell whether our lease was renewed so recently that nobody may take us for gone; False without a call.

        False also from the moment on that we delete it: others act then, whatever here has not ended yet.
        """
        return not self._has_ended and self._clock.monotonic() < self._renewed_at + FRESH_SECONDS

    def share(self, sharer: Sharer) -> None:
        """Tell `sharer` when our lease is fresh again after a while; before the start only."""
        self._sharer = sharer

    async def say(self, annotations: Mapping[str, str]) -> None:
        """Put annotations on our lease, and renew it.

        Raises:
            ApiError: the server refused.
            TransportError: it was not reached.
        """
        self._annotations.update(annotations)
        await self._renew()

    async def start(self) -> None:
        """Create our lease, and retry until it succeeds; awaited before anything is claimed under this identity.

        Raises:
            ApiError: the server can never accept it.
        """
        started_at = self._clock.monotonic()
        while True:
            try:
                await self._client.create(LEASES, self._lease())
            except AlreadyExists:  # the response to an earlier attempt was lost
                break
            except NEVER:
                raise
            except (ApiError, TransportError) as error:
                self._failed(error)
                await self._clock.sleep(RETRY_SECONDS)
                continue
            self._outages.succeeded(WHAT)
            break
        self._renewed_at = max(self._renewed_at, started_at)
        await self._forget_predecessors()

    async def run(self) -> None:
        """Renew until cancelled; then delete the own lease."""
        try:
            pause = RENEW_SECONDS
            while True:
                await self._clock.sleep(pause * self._clock.random.uniform(0.9, 1.0))
                pause = RENEW_SECONDS if await self._renew_and_sweep() else RETRY_SECONDS
        finally:
            self._has_ended = True
            await self._delete_own_lease()

    async def is_gone(self, holder: str, bucket: int | None = None) -> bool | float:
        """Tell whether a holder is gone; see `Liveness`."""
        if holder == self._identity:
            return False
        if self._is_predecessor(holder):
            return True
        try:
            lease = await self._client.get(LEASES, self._namespace, lease_name(holder))
        except NotFound:
            return True
        if lease.spec.holder_identity != holder:
            return True
        duration = float(lease.spec.lease_duration_seconds or DURATION_SECONDS)
        unchanged = self.observer.unchanged_seconds(lease, self._clock.monotonic())
        unchanged = max(unchanged, min(self._age_seconds(lease), duration - OWN_LOOK_SECONDS + unchanged))
        has_released = self._sharer is not None and self._sharer.released(lease, bucket)
        return True if unchanged >= duration or has_released else duration - unchanged

    def _age_seconds(self, lease: Lease) -> float:
        """Return the age of the last renewal by its own timestamp; as accurate as the two clocks agree."""
        renewed_at = parse_micro_time(lease.spec.renew_time)
        return 0.0 if renewed_at is None else (self._clock.now() - renewed_at).total_seconds()

    async def _renew_and_sweep(self) -> bool:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._renew()
            if self._clock.monotonic() - self._swept_at >= SWEEP_SECONDS:
                self._swept_at = self._clock.monotonic()
                async with asyncio.timeout(CALL_SECONDS):
                    await self._sweep()
        except (ApiError, TransportError, TimeoutError) as error:
            self._failed(error)
            return False
        self._outages.succeeded(WHAT)
        return True

    def _failed(self, error: Exception) -> None:
        rule = rule_for(LEASES, "create, delete, get, list, patch, update", self._namespace)
        self._outages.failed(error, what=WHAT, rule=rule)

    async def _renew(self) -> None:
        started_at, name = self._clock.monotonic(), lease_name(self._identity)
        spec = {"renewTime": micro_time(self._clock.now()), "holderIdentity": self._identity}
        patch = {"metadata": {"annotations": self._annotations}, "spec": spec} if self._annotations else {"spec": spec}
        try:
            await self._client.patch(LEASES, self._namespace, name, patch)
        except NotFound:  # deleted by a replica to which we seemed gone
            await self._client.create(LEASES, self._lease())
        sharer = self._sharer if not self.is_fresh else None
        if sharer is not None:
            await sharer.read_again()
        self._renewed_at = max(self._renewed_at, started_at)
        if sharer is not None:
            sharer.resume()

    async def _sweep(self) -> None:
        """Delete the leases of crashed replicas."""
        now, leases = self._clock.monotonic(), await self._replicas()
        self.observer.keep({lease.metadata.name for lease in leases})
        for lease in leases:
            if self.observer.unchanged_seconds(lease, now) >= ABANDONED_SECONDS:
                await self._delete(lease)

    async def _forget_predecessors(self) -> None:
        """Delete the leases of earlier processes of this pod, which have ended, or we would not have started."""
        if not self._pod:
            return
        try:
            for lease in await self._replicas():
                if self._is_predecessor(lease.spec.holder_identity or ""):
                    await self._delete(lease)
        except (ApiError, TransportError) as error:  # they expire by themselves
            self._failed(error)

    def _is_predecessor(self, holder: str) -> bool:
        return bool(self._pod) and holder != self._identity and _pod_of(holder) == self._pod

    async def _replicas(self) -> list[Lease]:
        return await self._client.list(LEASES, self._namespace, label_selector=f"{ROLE_LABEL}={ROLE}")

    async def _delete(self, lease: Lease) -> None:
        name, version = lease.metadata.name, lease.metadata.resource_version
        with suppress(NotFound, Conflict):
            await self._client.delete(LEASES, self._namespace, name, resource_version=version)

    async def _delete_own_lease(self) -> None:
        try:
            async with asyncio.timeout(2.0):
                await self._client.delete(LEASES, self._namespace, lease_name(self._identity))
        except (ApiError, TransportError, TimeoutError) as error:
            log.info("own liveness lease left to expire", error=type(error).__name__)

    def _lease(self) -> Lease:
        now = micro_time(self._clock.now())
        return Lease(
            metadata=LeaseMetadata(
                name=lease_name(self._identity),
                namespace=self._namespace,
                labels={ROLE_LABEL: ROLE},
                annotations=self._annotations or None,
            ),
            spec=LeaseSpec(
                holder_identity=self._identity,
                lease_duration_seconds=DURATION_SECONDS,
                acquire_time=now,
                renew_time=now,
            ),
        )


def lease_name(identity: str) -> str:
    """Return the name of the lease of a replica."""
    return f"kubechain-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def _pod_of(holder: str) -> str:
    return holder.rpartition("_")[0]
