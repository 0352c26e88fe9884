"""Who shall hold which bucket, and the next map on the way there. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence

from kubechain.runtime.shards.model import BUCKETS, Bucket, Member, ShardMap


def assigned(replicas: Collection[str]) -> tuple[str, ...]:
    """Return the replica of each bucket: rendezvous hashing, with a bound on what each gets.

    A replica that comes or goes moves few buckets of others, and all have as many as the others, or one more or less.
    Empty names where there is no replica.
    """
    if not replicas:
        return ("",) * BUCKETS
    least, more = divmod(BUCKETS, len(replicas))
    load: Counter[str] = Counter()
    owners = [""] * BUCKETS
    # The pairs that match best first: whoever is full has got those that it matches best.
    pairs = sorted(((_weight(b, one), b, one) for b in range(BUCKETS) for one in replicas), reverse=True)
    for _, bucket, replica in pairs:
        is_full = load[replica] > least or (load[replica] == least and not more)
        if owners[bucket] or is_full:
            continue
        more -= load[replica] == least
        owners[bucket] = replica
        load[replica] += 1
    return tuple(owners)


def next_map(current: ShardMap | None, members: Sequence[Member]) -> ShardMap | None:
    """Return the map that follows from who lives; None where the current one stays, or there is nobody to share.

    A map that is older than one that was acknowledged is as good as none: the server was restored, or somebody wrote
    it, and the replicas go on by the one that is lost until they get a newer one.

    Args:
        current: None where there is none, or it cannot be read.
        members: all replicas whose Lease has not run out.
    """
    wanted = assigned([one.identity for one in members if not one.said.is_leaving])
    alive = {one.identity: one for one in members}
    followed = max((one.said.epoch for one in members), default=0)
    epoch = 1 + max(current.epoch if current else 0, followed)
    if current is None or current.epoch < followed:
        if not any(wanted):
            return None
        return ShardMap(epoch, tuple(Bucket(owner, since=epoch) for owner in wanted))
    buckets = tuple(_next(one, owner, alive, epoch) for one, owner in zip(current.buckets, wanted, strict=True))
    return None if buckets == current.buckets else ShardMap(epoch, buckets)


def _next(bucket: Bucket, wanted: str, alive: dict[str, Member], epoch: int) -> Bucket:
    holder = alive.get(bucket.holder)
    if holder is None:
        return bucket if wanted == bucket.holder else Bucket(wanted, since=epoch)
    if not wanted or wanted == bucket.holder:
        return bucket if not bucket.heir else Bucket(bucket.holder, since=epoch)
    if not bucket.heir:
        return Bucket(bucket.holder, wanted, epoch)
    if holder.said.epoch >= bucket.since:
        return Bucket(wanted, since=epoch)
    return Bucket(bucket.holder, wanted, bucket.since)


def _weight(bucket: int, replica: str) -> bytes:
    return hashlib.blake2b(f"{bucket} {replica}".encode(), digest_size=8).digest()
