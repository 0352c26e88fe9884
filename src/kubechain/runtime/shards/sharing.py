"""One replica's part in sharing: follows the map, acknowledges it, and writes it while it leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import structlog

from kubechain.runtime.changes import Change
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import AlreadyExists, ApiError, Conflict, NotFound, TransportError
from kubechain.runtime.informer import Informer, Informers
from kubechain.runtime.leases import LEASES, Lease, LeaseMetadata, LeaseSpec, micro_time, renewal_of
from kubechain.runtime.liveness import (
    CALL_SECONDS,
    DURATION_SECONDS,
    RETRY_SECONDS,
    ROLE,
    ROLE_LABEL,
    LeaseLiveness,
)
from kubechain.runtime.outages import Outages, rule_for
from kubechain.runtime.shards.allocation import next_map
from kubechain.runtime.shards.gate import Gate
from kubechain.runtime.shards.model import Acknowledged, Member, ShardMap, annotations_of, heard, ranges, read, written
from kubechain.runtime.transport import Exchange

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

RELEASE_SECONDS = 2.0
"""How long a release waits for reconciles in flight: most take less. A call of a model or a tool goes on after it, and
its claim keeps the next holder from it."""

SHORTEST_SECONDS = 0.01
"""Shorter waits for the end of a Lease are rounding errors, which would not pass by waiting for them."""

MAP_ROLE = "shard-map"
WHAT_MAP = "read or write the Lease that says which replica does what"
WHAT_SAID = "acknowledge the shard map"


class Sharing:
    """Follows the map with this replica's gate, while the manager runs; `Allocator` writes it."""

    def __init__(
        self, exchange: Exchange, client: Client, *, clock: Clock, identity: str, namespace: str, name: str,
        liveness: LeaseLiveness, outages: Outages,
    ) -> None:  # fmt: skip
        """Create it; `run` follows the map.

        Args:
            exchange: for the watch of Leases.
            client: for reads and writes of Leases.
            clock: for waits.
            identity: of this replica.
            namespace: of the Leases.
            name: of the Lease that is the map.
            liveness: has this replica's own Lease.
            outages: logs what fails.
        """
        self._client, self._clock, self._outages = client, clock, outages
        self._identity, self._namespace, self._name = identity, namespace, name
        self._liveness = liveness
        self._informers = Informers(exchange=exchange, clock=clock, namespaces=(namespace,), outages=outages)
        self._leases = self._informers.of(LEASES)
        self._observer = liveness.observer
        self._changed = asyncio.Event()
        self._notes: dict[str, str] = {}
        self._on_note: list[Callable[[], None]] = []
        self.gate = Gate(identity=identity, name=name, is_fresh=lambda: liveness.is_fresh)
        liveness.share(self)
        self._leases.add_handler(self._on_change)

    @property
    def informers(self) -> Iterable[Informer[Any]]:
        """Return the caches that must run."""
        return self._informers

    # --- following

    async def run(self) -> None:
        """Acknowledge each map, and say what is noted, until cancelled."""
        said: tuple[Acknowledged, Mapping[str, str]] | None = None
        while True:
            self.gate.news.clear()
            if self.gate.busy - (said[0].busy if said else frozenset()):
                await self._wait_for_releases()
            if (now := (self.gate.acknowledged(), dict(self._notes))) != said:
                said = now if await self._say(*now) else None
            if said is not None:
                await self.gate.news.wait()
            else:
                await self._clock.sleep(RETRY_SECONDS)

    async def read_again(self) -> None:
        """Read the map from the server: this replica's Lease had run out, and the watch may be behind.

        Raises:
            ApiError: the server refused.
            TransportError: it was not reached.
        """
        try:
            found = await self._client.get(LEASES, self._namespace, self._name)
        except NotFound:
            self._follow(None)
        else:
            self._follow(read(found.metadata.annotations))

    def resume(self) -> None:
        """Look at all objects again: the gate was closed for a while."""
        self.gate.resume()

    def released(self, lease: Lease, bucket: int | None) -> bool:
        """Tell whether a living replica goes on with nothing that it claimed in a bucket of ours."""
        return self.gate.released(lease, bucket)

    async def _wait_for_releases(self) -> None:
        """Let short reconciles in lost buckets end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                while self.gate.busy:
                    await self.gate.news.wait()
                    self.gate.news.clear()

    async def _say(self, acknowledged: Acknowledged, notes: Mapping[str, str]) -> bool:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._liveness.say({**annotations_of(acknowledged), **notes})
        except (ApiError, TransportError, TimeoutError) as error:
            self._failed(error, WHAT_SAID)
            return False
        self._outages.succeeded(WHAT_SAID)
        return True

    def _on_change(self, change: Change[Lease]) -> None:
        if change.key.name == self._name:
            current = change.current()
            self._follow(read(current.metadata.annotations) if current else None)
        elif (lease := change.current()) is not None:
            self._observer.unchanged_seconds(lease, self._clock.monotonic())
        self._changed.set()
        for act in self._on_note:
            act()

    def _follow(self, shard_map: ShardMap | None) -> None:
        gained, lost = self.gate.follow(shard_map)
        if gained or lost:
            log.info(
                "buckets moved", epoch=shard_map.epoch if shard_map else 0, held=len(self.gate.held),
                gained=ranges(gained), lost=ranges(lost),
            )  # fmt: skip

    def _failed(self, error: Exception, what: str) -> None:
        self._outages.failed(
            error, what=what, rule=rule_for(LEASES, "create, get, list, update, watch", self._namespace)
        )

    # --- notes

    def note(self, name: str, text: str) -> None:
        """Say something to the other replicas: an annotation of this replica's Lease, in place of what it said before.

        Args:
            name: of the annotation.
            text: short, and no secret: whoever reads Leases reads it.
        """
        self._notes[name] = text
        self.gate.news.set()

    def notes(self, name: str) -> list[str]:
        """Return what the other living replicas say under a name."""
        others = (lease for lease, said, _ in self._living() if said.identity != self._identity)
        return [text for lease in others if (text := (lease.metadata.annotations or {}).get(name))]

    def when_noted(self, act: Callable[[], None]) -> None:
        """Call `act`, which must be cheap, when another replica may say something else, or live no more."""
        self._on_note.append(act)

    # --- leading

    async def allocate(self) -> None:
        """Write the map whenever it does not fit the living replicas, until cancelled."""
        await self._leases.wait_synced()
        while True:
            self._changed.clear()
            seconds = await self._settle()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(seconds, SHORTEST_SECONDS)):
                    await self._changed.wait()

    async def _settle(self) -> float:
        """Write the next map, if there is one; return how long nothing happens without a change of a Lease."""
        members, seconds = self._members()
        lease = self._leases.lister.get(self._namespace, self._name)
        current = read(lease.metadata.annotations) if lease else None
        if next_map(current, members) is None:
            return seconds
        try:
            async with asyncio.timeout(CALL_SECONDS):
                wanted = next_map(current, await self._members_now())
                if wanted is not None:
                    await self._write(lease, wanted)
        except (Conflict, AlreadyExists):
            return RETRY_SECONDS  # the watch brings what is there
        except (ApiError, TransportError, TimeoutError) as error:
            self._failed(error, WHAT_MAP)
            return RETRY_SECONDS
        self._outages.succeeded(WHAT_MAP)
        if wanted is None:
            return RETRY_SECONDS  # the watch is behind
        log.info("shard map written", epoch=wanted.epoch, replicas=len(wanted.holders))
        return seconds

    def _members(self) -> tuple[list[Member], float]:
        """Return the living replicas, and when the first of their Leases runs out unless it is renewed."""
        living = list(self._living())
        soonest = min((left for _, _, left in living), default=float(DURATION_SECONDS))
        return sorted((member for _, member, _ in living), key=lambda one: one.identity), soonest

    async def _members_now(self) -> list[Member]:
        """Return the living replicas as the server has them: a watch that is behind shows the living as dead."""
        known = {lease.metadata.name: renewal_of(lease) for lease in self._leases.lister.list()}
        living = {lease.metadata.name for lease, _, _ in self._living()}
        found = await self._client.list(LEASES, self._namespace, label_selector=f"{ROLE_LABEL}={ROLE}")
        members = {lease.metadata.name: member for lease in found if (member := self._member(lease)) is not None}
        renewed = {lease.metadata.name for lease in found if known.get(lease.metadata.name) != renewal_of(lease)}
        return sorted((members[name] for name in members.keys() & (living | renewed)), key=lambda one: one.identity)

    def _living(self) -> Iterator[tuple[Lease, Member, float]]:
        """Yield the replicas that share by this map and whose Leases have not run out, with what is left of these."""
        now = self._clock.monotonic()
        for lease in self._leases.lister.list():
            if (member := self._member(lease)) is not None:
                left = DURATION_SECONDS - self._observer.unchanged_seconds(lease, now)
                if left > 0:
                    yield lease, member, left

    def _member(self, lease: Lease) -> Member | None:
        """Return the replica that shares by this map and has this Lease; None for any other Lease."""
        said = heard(lease.metadata.annotations)
        if said is None or said.map != self._name or (lease.metadata.labels or {}).get(ROLE_LABEL) != ROLE:
            return None
        return Member(lease.spec.holder_identity or "", said)

    async def _write(self, lease: Lease | None, wanted: ShardMap) -> None:
        base = lease.metadata if lease else LeaseMetadata(name=self._name, namespace=self._namespace)
        metadata = LeaseMetadata(
            name=base.name, namespace=base.namespace, uid=base.uid, resource_version=base.resource_version,
            labels={ROLE_LABEL: MAP_ROLE}, annotations=dict(written(wanted)),
        )  # fmt: skip
        made = Lease(metadata, LeaseSpec(holder_identity=self._identity, renew_time=micro_time(self._clock.now())))
        await (self._client.update(LEASES, made) if lease else self._client.create(LEASES, made))


class Allocator:
    """Runs `Sharing.allocate` while the manager leads."""

    def __init__(self, sharing: Sharing) -> None:
        """Create the runnable."""
        self._sharing = sharing

    async def run(self) -> None:
        """Write maps until cancelled."""
        await self._sharing.allocate()
