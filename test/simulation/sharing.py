"""What must hold while replicas share the runs: one replica at a time acts on a bucket, and each map is a newer one.

Conflicts alone would hide a breach: every write is conditional, so that two owners of a bucket do nothing twice, and
only get in each other's way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

from kubechain.runtime.shards.gate import Gate
from kubechain.runtime.shards.model import ShardMap, read

JsonObject = dict[str, Any]


class SharingLaws:
    """Watches who gets a bucket, where work starts, and what is written into the map.

    Attributes:
        gates: The gates of the living processes, by their names; none where they do not share.
    """

    def __init__(self, violated: Callable[[str], None]) -> None:
        """Begin with no process.

        Args:
            violated: Is told of each breach, a sentence each.
        """
        self._violated = violated
        self.gates: Callable[[], Mapping[str, Gate]] = dict[str, Gate]

    @contextmanager
    def watching(self) -> Generator[None]:
        """See every bucket that a replica gets, and every start of work in one, while the context lasts."""
        working, follow, check = Gate.working, Gate.follow, self._check

        def seen_working(self: Gate, bucket: int) -> AbstractContextManager[None]:
            check(self, bucket, "began to work in")
            return working(self, bucket)

        def seen_follow(self: Gate, shard_map: ShardMap | None) -> tuple[frozenset[int], frozenset[int]]:
            gained, lost = follow(self, shard_map)
            for bucket in gained:
                check(self, bucket, "got")
            return gained, lost

        with mock.patch.object(Gate, "working", seen_working), mock.patch.object(Gate, "follow", seen_follow):
            yield

    def on_change(self, plural: str, before: JsonObject, after: JsonObject) -> None:
        """Look at one write."""
        if plural != "leases":
            return
        was, now = (read(one.get("metadata", {}).get("annotations")) for one in (before, after))
        if was is not None and (now is None or now.epoch <= was.epoch):
            self._violated(f"the shard map of epoch {was.epoch} was overwritten with {now.epoch if now else 'none'}")

    def _check(self, gate: Gate, bucket: int, what: str) -> None:
        for name, other in self.gates().items():
            if other is not gate and gate.acts_on(bucket) and other.acts_on(bucket):
                self._violated(f"a replica {what} bucket {bucket}, on which {name} acts")
