"""Recent changes, from which watches resume and consistent pages are computed.

Limited in events and bytes; older revisions expire (410). It is in memory only: after a restart it begins at the
present revision.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from itertools import islice

from kubechain_apiserver.store.storage import Key, Record
from kubechain_apiserver.wire.registry import GroupResource

WARM = 64
"""Number of latest changes whose objects stay parsed for running watches.

Of older ones only the bytes are kept; a parsed object takes several times as much memory.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One write: `record` is the state after it, or the last state of a deleted object."""

    revision: int
    key: Key
    record: Record
    previous: Record | None
    deleted: bool

    @property
    def size(self) -> int:
        return len(self.record.data)

    def forget_parsed(self) -> None:
        """Drop the parsed form of objects that are not the present state."""
        if self.previous is not None:
            self.previous.forget_parsed()
        if self.deleted:
            self.record.forget_parsed()


class ExpiredError(Exception):
    """Raised for a revision that is older than the history."""

    def __init__(self, compacted: int) -> None:
        super().__init__(compacted)
        self.compacted = compacted


class History:
    """Changes after revision `compacted`.

    Args:
        compacted: The revision before the first change.
        max_count: Maximum number of changes.
        max_bytes: Maximum size of objects.
    """

    def __init__(self, compacted: int, *, max_count: int = 20_000, max_bytes: int = 64 << 20) -> None:
        self.compacted = compacted
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._all: deque[Change] = deque()
        self._by_resource: dict[GroupResource, deque[Change]] = {}
        self._bytes = 0
        self._served_since: dict[GroupResource, int] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def append(self, change: Change) -> None:
        """Add a change, and drop the oldest ones beyond the limits."""
        self._all.append(change)
        self._by_resource.setdefault(change.key.resource, deque()).append(change)
        self._bytes += change.size
        if len(self._all) > WARM:
            self._all[-WARM - 1].forget_parsed()
        while len(self._all) > self._max_count or (self._bytes > self._max_bytes and len(self._all) > 1):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = self._all.popleft()
        self._by_resource[oldest.key.resource].popleft()
        self._bytes -= oldest.size
        self.compacted = oldest.revision

    def compact(self) -> None:
        """Drop all changes: every older revision expires."""
        while self._all:
            self._drop_oldest()

    def serve(self, resource: GroupResource, revision: int) -> None:
        """Record since which revision a resource is served: no watch can begin before."""
        self._served_since[resource] = revision

    def watched_since(self, resource: GroupResource, revision: int) -> list[Change]:
        """Return the changes after `revision`, for a watch that begins there.

        Raises:
            ExpiredError: Some are dropped, or the resource was not served yet.
        """
        first = max(self.compacted, self._served_since.get(resource, 0))
        if revision < first:
            raise ExpiredError(first)
        return self.since(resource, revision)

    def since(self, resource: GroupResource, revision: int) -> list[Change]:
        """Return the changes after `revision`, oldest first.

        Raises:
            ExpiredError: Some are dropped.
        """
        if revision < self.compacted:
            raise ExpiredError(self.compacted)
        changes = self._by_resource.get(resource)
        if not changes or changes[-1].revision <= revision:
            return []
        start = bisect_right(changes, revision, key=lambda change: change.revision)
        return list(islice(changes, start, None))
