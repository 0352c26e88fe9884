"""The values of sharing: buckets, the map that says who holds them, and what replicas acknowledge. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

BUCKETS = 64
"""Fixed: another number would give most objects another bucket, while replicas of two releases run side by side."""

ANNOTATION = "kubechain.humanlayer.dev/shards"
"""On the Lease that is the map, and on those of the replicas that share by it."""


def bucket_of(namespace: str, root: str) -> int:
    """Return the bucket of all objects of one tree.

    Args:
        namespace: of the tree.
        root: names the tree in its namespace.
    """
    digest = hashlib.blake2b(f"{namespace}/{root}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) % BUCKETS


@dataclass(frozen=True, slots=True)
class Bucket:
    """Who acts on one bucket.

    Attributes:
        holder: acts on it, unless there is an heir; empty for nobody.
        heir: gets it when the holder has released it; empty while it does not move.
        since: the epoch in which the holder got it, or was asked to release it.
    """

    holder: str
    heir: str = ""
    since: int = 0


@dataclass(frozen=True, slots=True)
class ShardMap:
    """Who acts on which bucket.

    Attributes:
        epoch: grows with each map.
        buckets: one for each number below `BUCKETS`.
    """

    epoch: int
    buckets: tuple[Bucket, ...]

    def held_by(self, replica: str) -> frozenset[int]:
        """Return the buckets that a replica may act on."""
        return frozenset(number for number, one in enumerate(self.buckets) if one.holder == replica and not one.heir)

    @property
    def holders(self) -> Sequence[str]:
        """Return the replicas that hold buckets, in an order that all agree on."""
        return sorted({one.holder for one in self.buckets if one.holder})


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a replica says about the map.

    Attributes:
        map: name of the map.
        epoch: of the map that it follows: it starts nothing in a bucket that this map does not let it act on.
        busy: buckets of others in which work goes on that it started before.
        is_leaving: it is about to stop, and shall get no buckets.
    """

    map: str
    epoch: int = 0
    busy: frozenset[int] = frozenset()
    is_leaving: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A living replica."""

    identity: str
    said: Acknowledged


class _WireMap(msgspec.Struct, rename="camel"):
    """A map as it is written: names once, and their places for each bucket."""

    epoch: int
    replicas: list[str]
    buckets: list[tuple[int, int, int]] = msgspec.field(default_factory=list[tuple[int, int, int]])


@dataclass(slots=True)
class _Names:
    """The places of names in a list; the empty name has the place -1."""

    known: dict[str, int] = field(default_factory=dict[str, int])

    def place(self, name: str) -> int:
        return self.known.setdefault(name, len(self.known)) if name else -1


def written(shard_map: ShardMap) -> Mapping[str, str]:
    """Return the annotations of the Lease that is the map."""
    names = _Names()
    rows = [(names.place(one.holder), names.place(one.heir), one.since) for one in shard_map.buckets]
    return {ANNOTATION: _text(_WireMap(shard_map.epoch, list(names.known), rows))}


def read(annotations: Mapping[str, str] | None) -> ShardMap | None:
    """Return the map that a Lease has; None where it has none that can be read."""
    try:
        found = msgspec.json.decode((annotations or {}).get(ANNOTATION, ""), type=_WireMap)
        names = [*found.replicas, ""]
        buckets = tuple(Bucket(names[holder], names[heir], since) for holder, heir, since in found.buckets)
    except (msgspec.MsgspecError, IndexError):
        return None
    return ShardMap(found.epoch, buckets) if len(buckets) == BUCKETS else None


class _WireAcknowledged(msgspec.Struct, rename="camel"):
    map: str
    epoch: int = 0
    busy: list[int] = msgspec.field(default_factory=list[int])
    leaving: bool = False


def annotations_of(acknowledged: Acknowledged) -> Mapping[str, str]:
    """Return the annotations of a replica's Lease."""
    one = acknowledged
    return {ANNOTATION: _text(_WireAcknowledged(one.map, one.epoch, sorted(one.busy), one.is_leaving))}


def heard(annotations: Mapping[str, str] | None) -> Acknowledged | None:
    """Return what a replica's Lease says; None where it does not share."""
    try:
        found = msgspec.json.decode((annotations or {}).get(ANNOTATION, ""), type=_WireAcknowledged)
    except msgspec.MsgspecError:
        return None
    return Acknowledged(found.map, found.epoch, frozenset(found.busy), found.leaving)


def share_of(limit: int, replicas: Sequence[str], replica: str) -> int:
    """Return a replica's part of a limit: the parts of all add up to it, but each gets one at least.

    Args:
        limit: of all replicas together.
        replicas: among whom it is divided, in an order that all agree on.
        replica: whose part.
    """
    count = len(replicas)
    if replica not in replicas:
        return max(1, limit // (count + 1))
    more = replicas.index(replica) < limit % count
    return max(1, limit // count + more)


def ranges(buckets: Iterable[int]) -> str:
    """Return bucket numbers as people write them, such as `0-3, 7`."""
    parts: list[list[int]] = []
    for number in sorted(buckets):
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(one[0]) if len(one) == 1 else f"{one[0]}-{one[-1]}" for one in parts)


def _text(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
