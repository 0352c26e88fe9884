"""What this replica may act on now: the gate at the entry of its reconcilers. No requests here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from kubechain.runtime.keys import Request
from kubechain.runtime.leases import Lease
from kubechain.runtime.loop import Reconciler, Result
from kubechain.runtime.shards.model import Acknowledged, ShardMap, heard, share_of

BucketOf = Callable[[Request], int | None]
"""Returns the bucket of a key; None for an object that is gone: each replica forgets it."""


class Gate:
    """Says which buckets this replica acts on, and in which its work still goes on."""

    def __init__(self, *, identity: str, name: str, is_fresh: Callable[[], bool]) -> None:
        """Create a gate that is closed: there is no map yet.

        Args:
            identity: of this replica.
            name: of the map.
            is_fresh: whether no other replica may take this one for dead.
        """
        self._identity, self._name, self._is_fresh = identity, name, is_fresh
        self._map: ShardMap | None = None
        self._held: frozenset[int] = frozenset()
        self._active: Counter[int] = Counter()
        self._on_gain: list[Callable[[], None]] = []
        self._on_loss: list[Callable[[], None]] = []
        self._is_leaving = False
        self.news = asyncio.Event()
        """Set when what this replica has to acknowledge may have changed."""

    @property
    def held(self) -> frozenset[int]:
        """Return the buckets that the map lets this replica act on."""
        return self._held

    @property
    def map(self) -> ShardMap | None:
        """Return the map that this replica follows."""
        return self._map

    def acts_on(self, bucket: int | None) -> bool:
        """Tell whether this replica may start work in a bucket now."""
        return bucket is None or (bucket in self._held and self._is_fresh())

    def follow(self, shard_map: ShardMap | None) -> tuple[frozenset[int], frozenset[int]]:
        """Act by this map from now on; return the buckets that were gained and lost.

        An older map than the current one is ignored. None stands for a map that was deleted.
        """
        if shard_map is not None and self._map is not None and shard_map.epoch <= self._map.epoch:
            return frozenset(), frozenset()
        before, self._map = self._held, shard_map
        self._held = shard_map.held_by(self._identity) if shard_map else frozenset()
        gained, lost = self._held - before, before - self._held
        self.news.set()
        if lost:
            self._tell(self._on_loss)
        if gained:
            self.resume()
        return gained, lost

    def resume(self) -> None:
        """Look at all objects of the buckets that are held: their keys were refused while the gate was closed."""
        self._tell(self._on_gain)

    def leave(self) -> None:
        """Say that this replica is about to stop."""
        self._is_leaving = True
        self.news.set()

    def when_gained(self, act: Callable[[], None]) -> None:
        """Call `act` when there may be keys that were refused before."""
        self._on_gain.append(act)

    def when_lost(self, act: Callable[[], None]) -> None:
        """Call `act` when keys were accepted that are refused now."""
        self._on_loss.append(act)

    @property
    def busy(self) -> frozenset[int]:
        """Return the buckets of others in which this replica still works."""
        return frozenset(self._active) - self._held

    def acknowledged(self) -> Acknowledged:
        """Return what this replica says about the map."""
        epoch = self._map.epoch if self._map else 0
        return Acknowledged(self._name, epoch, self.busy, self._is_leaving)

    def released(self, lease: Lease, bucket: int | None) -> bool:
        """Tell whether a living replica does not work in a bucket of ours: nobody goes on with what it claimed there.

        Only what it says about the very map that we follow counts: an older or a newer one may give it the bucket.
        """
        said = heard(lease.metadata.annotations)
        if said is None or said.map != self._name or self._map is None or not self.acts_on(bucket):
            return False
        return said.epoch == self._map.epoch and bucket not in said.busy

    def share(self, limit: int) -> int:
        """Return this replica's part of a limit of all replicas together."""
        return share_of(limit, self._map.holders if self._map else (), self._identity)

    @contextmanager
    def working(self, bucket: int) -> Generator[None]:
        """Surround work in a bucket."""
        self._active[bucket] += 1
        try:
            yield
        finally:
            self._active[bucket] -= 1
            if not self._active[bucket]:
                del self._active[bucket]
            if bucket not in self._held:
                self._tell(self._on_loss)
                self.news.set()

    def _tell(self, actions: list[Callable[[], None]]) -> None:
        for act in actions:
            act()


@dataclass(frozen=True, slots=True)
class Gated:
    """A reconciler behind the gate."""

    inner: Reconciler
    gate: Gate
    bucket_of: BucketOf

    async def reconcile(self, request: Request) -> Result:
        """Reconcile the object if its bucket is this replica's; who gets the bucket looks at it anyway."""
        bucket = self.bucket_of(request)
        if bucket is None:
            return await self.inner.reconcile(request)
        if not self.gate.acts_on(bucket):
            return Result()
        with self.gate.working(bucket):
            return await self.inner.reconcile(request)
