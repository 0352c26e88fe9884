"""Leader election with a Lease: one replica works at a time, and stops before another one may take over.

Durations are client-go's (15, 10, 2 seconds): a leader stops its work when it could not renew for 10 s, five seconds
before another replica may take the lease. All deadlines are on the replica's own monotonic clock and start before the
request is sent; clocks of others are not compared. A try to renew gets half of the time that is left: one that hangs
never takes the time of the next one.

    follow ──(lease free, released or expired)──► lead ──(work ends)──► release
                                                    └──(not renewed for 10 s, or taken)──► LeadershipLost, process ends

A lease avoids duplicate work but does not fence writes: safety comes from conditional writes. The client should have
a connection of its own, so that other requests cannot delay a renewal.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from kubechain.net.foreign import error_text
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import AlreadyExists, ApiError, Conflict, NotFound, TransportError
from kubechain.runtime.leases import LEASES, Lease, LeaseMetadata, LeaseObserver, LeaseSpec, micro_time
from kubechain.runtime.outages import Outages, rule_for
from kubechain.runtime.tasks import finish

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """The durations of an election: retry < renew deadline < lease."""

    lease_seconds: int = 15
    """How long other replicas wait after the last renewal that they observed."""
    renew_deadline_seconds: float = 10.0
    """How long the leader continues to work after its last renewal."""
    retry_seconds: float = 2.0
    """Between the starts of two renewals, or after a read of a lease that another replica holds."""
    again_seconds: float = 0.5
    """Between a renewal that failed and the next one."""
    call_seconds: float = 4.0
    """Limit for one try to take, renew or release the lease."""

    def __post_init__(self) -> None:
        """Refuse durations with which two replicas could lead."""
        if not self.retry_seconds < self.renew_deadline_seconds < self.lease_seconds:
            raise ValueError("leader election: retry < renew deadline < lease duration must hold")


class LeadershipLost(Exception):
    """This replica no longer leads; its work is stopped, and the process should exit with `EXIT_STATUS`."""


EXIT_STATUS: Final = 75
"""Of a process that lost the leadership: EX_TEMPFAIL of sysexits.h. It is to be started again, as after any failure;
controller-runtime's managers exit with 1 then, which looks like a defect in a pod that restarts."""


def _exit() -> None:
    os._exit(EXIT_STATUS)


class LeaderElector:
    """Waits for leadership, and runs the work while it leads."""

    def __init__(
        self, client: Client, *, clock: Clock, identity: str, namespace: str, name: str, timing: Timing | None = None,
        on_change: Callable[[bool], None] = lambda leads: None, exit_now: Callable[[], None] = _exit,
        pod: str = "", outages: Outages | None = None,
    ) -> None:  # fmt: skip
        """Create an elector.

        Args:
            client: should have connections of its own.
            clock: for deadlines.
            identity: of this process; unique.
            namespace: of the lease.
            name: of the lease.
            timing: durations; None for client-go's.
            on_change: called with True when leadership begins and with False when it ends.
            exit_now: ends the process if the work does not stop in time after the leadership was lost.
            pod: the pod that this process runs in; empty outside of pods. Another process of it that holds the lease is
                an earlier one, and has ended.
            outages: logs what fails; None logs for this lease alone.
        """
        self._pod = pod
        self._outages = outages or Outages(clock=clock)
        self._client, self._clock = client, clock
        self._identity, self._namespace, self._name = identity, namespace, name
        self._what = f"read or renew the leader's Lease {namespace}/{name}"
        self._timing = timing or Timing()
        self._on_change, self._exit_now = on_change, exit_now
        self._observer = LeaseObserver()
        self._held: Lease | None = None
        self._leads_until = float("-inf")
        self._free_in_seconds = float("inf")
        self.holder = ""

    @property
    def is_leader(self) -> bool:
        """Tell whether this replica leads now; becomes False without a call when renewals stop."""
        return self._clock.monotonic() < self._leads_until

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait until this replica leads, then do the work until it ends.

        Raises:
            LeadershipLost: the lease was lost while working; the work is stopped.
        """
        await self._follow()
        log.info("leading", lease=self._name, namespace=self._namespace)
        self._on_change(True)
        lost = False
        try:
            lost = await self._lead(work)
        finally:
            self._on_change(False)
            self._leads_until = float("-inf")
            if not lost:  # the work has ended, whatever its result
                await self._release()
        if lost:
            raise LeadershipLost(f"lease {self._namespace}/{self._name} was not renewed in time or was taken")

    async def _follow(self) -> None:
        while not await self._try():
            jitter = self._clock.random.uniform(1.0, 1.2)
            # Looking when the lease expires, not up to a whole pause later, makes each failover a second faster.
            await self._clock.sleep(min(self._timing.retry_seconds * jitter, self._free_in_seconds + jitter - 1.0))

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Work and renew; return whether the lease was lost. The work has ended when this returns or raises."""
        working = asyncio.ensure_future(work())
        renewing = asyncio.ensure_future(self._renew_on())
        renewing.add_done_callback(lambda _: self._cancel_work(working))
        try:
            await finish(working)
            lost = renewing.done()
        finally:
            renewing.cancel()
            await finish(renewing)
        if not working.cancelled():
            working.result()
        return lost

    def _cancel_work(self, working: asyncio.Future[None]) -> None:
        """Cancel the work; exit the process if it would still run when another replica can take the lease."""
        if working.done():
            return
        working.cancel()
        limit = self._timing.lease_seconds - self._timing.renew_deadline_seconds - 1.0
        overrun = asyncio.get_running_loop().call_later(max(0.0, limit), self._exit_now)
        working.add_done_callback(lambda _: overrun.cancel())

    async def _renew_on(self) -> None:
        """Renew until the lease is lost or could not be renewed before the deadline."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._leads_until) as deadline:
                pause = self._timing.retry_seconds
                while self.holder == self._identity:
                    await self._clock.sleep(pause)
                    started_at = self._clock.monotonic()
                    renewed = await self._try()
                    if renewed:
                        deadline.reschedule(self._leads_until)
                    pause = self._pause_seconds(started_at, renewed=renewed)
        log.error("leadership lost", lease=self._name, holder=self.holder)

    def _pause_seconds(self, started_at: float, *, renewed: bool) -> float:
        """Return how long to wait before the next renewal; less after a slow one, whose time counts as well."""
        if not renewed:
            return self._timing.again_seconds
        return max(0.0, started_at + self._timing.retry_seconds - self._clock.monotonic())

    @property
    def _try_seconds(self) -> float:
        """Return the limit for one try: a leader's leaves as much of its time to the next ones."""
        left = self._leads_until - self._clock.monotonic()
        return min(self._timing.call_seconds, left / 2) if left > 0 else self._timing.call_seconds

    async def _try(self) -> bool:
        """Try once to take or renew the lease; failures are logged and count only through the deadline."""
        started_at = self._clock.monotonic()
        self._free_in_seconds = float("inf")
        try:
            async with asyncio.timeout(self._try_seconds):
                ours = await self._take()
        except (ApiError, TransportError, TimeoutError) as error:
            self._held = None  # the write may have been applied: read again
            rule = rule_for(LEASES, "create, get, update", self._namespace)
            self._outages.failed(error, what=self._what, rule=rule)
            return False
        self._outages.succeeded(self._what)
        if ours:
            self._leads_until = started_at + self._timing.renew_deadline_seconds
        return ours

    async def _take(self) -> bool:
        held = self._held or await self._read()
        if held is None:
            return await self._create()
        self.holder = held.spec.holder_identity or ""
        if self.holder != self._identity and not self._is_free(held):
            return False
        if self.holder != self._identity and self._leads_until > self._clock.monotonic():
            return False  # taken by another replica: this process never takes it back
        try:
            self._held = await self._client.update(LEASES, self._renewed(held))
        except Conflict:
            self._held = None
            return False
        self.holder = self._identity
        return True

    async def _read(self) -> Lease | None:
        try:
            return await self._client.get(LEASES, self._namespace, self._name)
        except NotFound:
            return None

    async def _create(self) -> bool:
        empty = Lease(metadata=LeaseMetadata(name=self._name, namespace=self._namespace))
        try:
            self._held = await self._client.create(LEASES, self._renewed(empty))
        except AlreadyExists:
            return False
        self.holder = self._identity
        return True

    def _is_free(self, held: Lease) -> bool:
        if not held.spec.holder_identity or self._is_of_our_pod(held.spec.holder_identity):
            return True
        duration = held.spec.lease_duration_seconds or self._timing.lease_seconds
        left = duration - self._observer.unchanged_seconds(held, self._clock.monotonic())
        if left > 0:
            self._free_in_seconds = left
        return left <= 0

    def _is_of_our_pod(self, holder: str) -> bool:
        """Tell whether an earlier process of this pod holds the lease: it has ended, or we would not have started."""
        return bool(self._pod) and holder != self._identity and holder.rpartition("_")[0] == self._pod

    def _renewed(self, held: Lease) -> Lease:
        now = micro_time(self._clock.now())
        spec, ours = held.spec, held.spec.holder_identity == self._identity
        transitions = spec.lease_transitions or 0
        renewed = LeaseSpec(
            holder_identity=self._identity,
            lease_duration_seconds=self._timing.lease_seconds,
            acquire_time=spec.acquire_time if ours else now,
            renew_time=now,
            lease_transitions=transitions if ours or not spec.acquire_time else transitions + 1,
        )
        return msgspec.structs.replace(held, spec=renewed)

    async def _release(self) -> None:
        """Release the lease, so that the next leader need not wait for its expiry."""
        try:
            async with asyncio.timeout(self._timing.call_seconds):
                held = await self._read()
                if held is None or held.spec.holder_identity != self._identity:
                    return
                spec = msgspec.structs.replace(held.spec, holder_identity="", lease_duration_seconds=1)
                await self._client.update(LEASES, msgspec.structs.replace(held, spec=spec))
        except (ApiError, TransportError, TimeoutError) as error:
            log.warning("lease not released", lease=self._name, error=error_text(error))
