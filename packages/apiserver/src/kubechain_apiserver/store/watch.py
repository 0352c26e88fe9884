"""Watches: which changes a watcher sees, in which version, and how they are queued.

A watcher that does not read is ended when its queue is full. Waiting is the only asynchronous part of the engine; it
uses the running loop's time, so that a virtual clock works too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import orjson

from kubechain_apiserver.store.history import Change
from kubechain_apiserver.store.selectors import Selection
from kubechain_apiserver.store.storage import Record
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import GroupResource, ResourceInfo

View = Callable[[JsonObject], JsonObject]
"""Converts a stored object to the requested version; None if that is the storage version."""

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
BOOKMARK_INTERVAL_SECONDS = 60.0
"""Interval of bookmarks of an idle watch, as in kube-apiserver."""
QUEUE_LIMIT = 10_000
"""Maximum of unread events, beyond which a watch is ended."""


class WatchEvent:
    """An event of type ADDED, MODIFIED, DELETED, BOOKMARK or ERROR; encoded once for all watchers."""

    __slots__ = ("_data", "_line", "_object", "type")

    def __init__(self, type_: str, *, data: bytes | None = None, parsed: JsonObject | None = None) -> None:
        self.type = type_
        self._data = data
        self._object = parsed
        self._line: bytes | None = None

    @property
    def object(self) -> JsonObject:
        """The object, shared: it must not be changed."""
        if self._object is None:
            self._object = orjson.loads(self.encoded)
        return self._object

    @property
    def encoded(self) -> bytes:
        """The object as JSON."""
        if self._data is None:
            self._data = orjson.dumps(self._object)
        return self._data

    @property
    def line(self) -> bytes:
        """The event as a line of the stream."""
        if self._line is None:
            self._line = b'{"type":"%b","object":%b}\n' % (self.type.encode(), self.encoded)
        return self._line


class Subscription:
    """A running watch: `async for event in subscription`.

    It ends at its time-out, after `close()`, or when its reader falls behind; queued events are still delivered.
    Nothing follows an ERROR event.
    """

    def __init__(
        self,
        info: ResourceInfo,
        selection: Selection,
        *,
        view: View | None,
        revision: Callable[[], int],
        allow_bookmarks: bool = False,
        timeout_seconds: float | None = None,
        on_close: Callable[[Subscription], None],
    ) -> None:
        self.info = info
        self._selection = selection
        self._view = view
        self._revision = revision
        self._allow_bookmarks = allow_bookmarks
        self._timeout_seconds = timeout_seconds
        self._on_close = on_close
        self._queue: deque[WatchEvent] = deque()
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None
        self._deadline: float | None = None
        self._bookmark_at = 0.0
        self._unread_limit = QUEUE_LIMIT
        self.overflowed = False

    @property
    def resource(self) -> GroupResource:
        return self.info.storage_key

    def offer(self, change: Change, shared: dict[tuple[str, str], WatchEvent]) -> None:
        """Queue a change if it matches the selection.

        Args:
            shared: Events already made of this change, by type and version, for all watchers.
        """
        if self._closed or not self._concerns(change):
            return
        type_ = self._transition(change)
        if type_ is None:
            return
        # An object that left the selection is shown as it was when it was still in it.
        left = type_ == "DELETED" and not change.deleted
        place = ("LEFT" if left else type_, self.info.api_version)
        event = shared.get(place)
        if event is None:
            event = shared[place] = self._departure(change) if left else self._event(type_, change.record)
        self._push(event)

    def _concerns(self, change: Change) -> bool:
        namespace = self._selection.namespace
        return namespace is None or change.key.namespace == namespace

    def _transition(self, change: Change) -> str | None:
        if self._selection.takes_all:
            if change.deleted:
                return "DELETED"
            return "ADDED" if change.previous is None else "MODIFIED"
        before = change.previous is not None and self._selects(change.previous)
        after = not change.deleted and self._selects(change.record)
        match before, after:
            case True, True:
                return "MODIFIED"
            case False, True:
                return "ADDED"
            case True, False:
                return "DELETED"
            case _:
                return None

    def _selects(self, record: Record) -> bool:
        return self._selection.matches(self._viewed(record.object))

    def _viewed(self, obj: JsonObject) -> JsonObject:
        return self._view(obj) if self._view else obj

    def _event(self, type_: str, record: Record) -> WatchEvent:
        if self._view is None:
            return WatchEvent(type_, data=record.data)
        return WatchEvent(type_, parsed=self._view(record.object))

    def _departure(self, change: Change) -> WatchEvent:
        assert change.previous is not None
        before = self._viewed(change.previous.object)
        metadata = {**before["metadata"], "resourceVersion": str(change.revision)}
        return WatchEvent("DELETED", parsed={**before, "metadata": metadata})

    def replay(self, changes: Iterable[Change]) -> None:
        """Queue past changes."""
        for change in changes:
            self.offer(change, {})

    def begin_with(self, records: Iterable[Record]) -> None:
        """Queue the present state as ADDED events."""
        for record in records:
            if self._selection.takes_all or self._selects(record):
                self._queue.append(self._event("ADDED", record))
        # The present state is what the watcher asked for: it does not count as unread changes.
        self._unread_limit = QUEUE_LIMIT + len(self._queue)

    def mark_initial_end(self) -> None:
        """Queue the bookmark that ends the initial events."""
        self._queue.append(self._bookmark({INITIAL_EVENTS_END: "true"}))

    def fail(self, status: JsonObject) -> None:
        """Queue an ERROR event and end."""
        self._queue.append(WatchEvent("ERROR", parsed=status))
        self.close()

    def _bookmark(self, annotations: dict[str, str] | None = None) -> WatchEvent:
        metadata: JsonObject = {"resourceVersion": str(self._revision())}
        if annotations:
            metadata["annotations"] = annotations
        obj = {"kind": self.info.kind, "apiVersion": self.info.api_version, "metadata": metadata}
        return WatchEvent("BOOKMARK", parsed=obj)

    def _push(self, event: WatchEvent) -> None:
        self._queue.append(event)
        if len(self._queue) > self._unread_limit:
            self.overflowed = True
            self.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """End the watch after the queued events."""
        if not self._closed:
            self._closed = True
            self._on_close(self)
            self._wake()

    def poll(self) -> list[WatchEvent]:
        """Return queued events without waiting."""
        events = list(self._queue)
        self._queue.clear()
        return events

    async def next_batch(self) -> list[WatchEvent]:
        """Return all queued events, waiting for the first; empty at the end of the watch."""
        while not self._queue and not self._closed:
            if event := await self._wait():
                return [event]
        return self.poll()

    async def _wait(self) -> WatchEvent | None:
        """Wait for a change, the next bookmark, or the end."""
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._begin_timing(loop.time())
        assert self._deadline is not None
        if loop.time() >= self._deadline:
            self.close()
            return None
        if self._allow_bookmarks and loop.time() >= self._bookmark_at:
            self._bookmark_at = loop.time() + BOOKMARK_INTERVAL_SECONDS
            return self._bookmark()
        self._waiter = loop.create_future()
        until = min(self._deadline, self._bookmark_at) if self._allow_bookmarks else self._deadline
        timer = loop.call_at(until, self._wake) if until != float("inf") else None
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer:
                timer.cancel()
        return None

    def _begin_timing(self, now: float) -> None:
        self._deadline = float("inf") if self._timeout_seconds is None else now + self._timeout_seconds
        self._bookmark_at = now + BOOKMARK_INTERVAL_SECONDS

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> WatchEvent:
        while not self._queue and not self._closed:
            if event := await self._wait():
                return event
        if not self._queue:
            raise StopAsyncIteration
        return self._queue.popleft()


class Watchers:
    """All running watches, by resource."""

    def __init__(self) -> None:
        self._by_resource: dict[GroupResource, list[Subscription]] = {}

    def add(self, subscription: Subscription) -> None:
        self._by_resource.setdefault(subscription.resource, []).append(subscription)

    def remove(self, subscription: Subscription) -> None:
        watching = self._by_resource.get(subscription.resource, [])
        if subscription in watching:
            watching.remove(subscription)

    def publish(self, change: Change) -> None:
        """Offer a change to every watch of its resource."""
        shared: dict[tuple[str, str], WatchEvent] = {}
        for subscription in tuple(self._by_resource.get(change.key.resource, ())):
            subscription.offer(change, shared)

    def count(self) -> int:
        return sum(len(watching) for watching in self._by_resource.values())

    def close(self, resource: GroupResource | None = None) -> None:
        """End all watches, or those of one resource."""
        for key, watching in list(self._by_resource.items()):
            if resource is None or key == resource:
                for subscription in tuple(watching):
                    subscription.close()
