"""Mutants of how replicas share the runs: who acts on what, when it may be moved, and what is looked at then."""

from __future__ import annotations

from typing import Any

from kubechain.runtime.shards import allocation, sharing
from kubechain.runtime.shards.gate import Gate
from kubechain.runtime.shards.model import Bucket, Member
from test.simulation.mutant import Mutant


def _never_gains(self: Gate, *_: Any) -> None:
    """Get buckets without looking at what is in them."""


def _acts_on_what_was_its_own(self: Gate, bucket: int | None) -> bool:
    """Act by the map alone, while others take this replica for dead."""
    return bucket is None or bucket in self.held


_acts_on = Gate.acts_on


def _acts_on_everything(self: Gate, bucket: int | None) -> bool:
    """Act on all buckets until there is a map."""
    return self.map is None or _acts_on(self, bucket)


_next = allocation._next  # pyright: ignore[reportPrivateUsage]


def _hand_over_at_once(bucket: Bucket, wanted: str, alive: dict[str, Member], epoch: int) -> Bucket:
    """Give a bucket to the next replica while its holder still acts on it."""
    if wanted and wanted != bucket.holder:
        return Bucket(wanted, since=epoch)
    return _next(bucket, wanted, alive, epoch)


TOO_EARLY_SECONDS = 8
"""Shorter than between two renewals: a replica is taken for dead that is not."""


ALL = (
    Mutant("gains-unseen", ((Gate, "resume", _never_gains),), "shards", ("after",)),
    Mutant("stale-lease", ((Gate, "acts_on", _acts_on_what_was_its_own),), "shards", ("cut", "freeze")),
    Mutant("no-map", ((Gate, "acts_on", _acts_on_everything),), "shards"),
    Mutant("unreleased", ((allocation, "_next", _hand_over_at_once),), "shards", ("after",)),
    Mutant("dead-too-early", ((sharing, "DURATION_SECONDS", TOO_EARLY_SECONDS),), "shards"),
)
