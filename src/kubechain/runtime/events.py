"""Records events.k8s.io/v1 Events, which `kubectl describe` shows.

Recording is synchronous and never fails: an event goes into a bounded queue, and a few workers write the queue to the
server, over connections of their own, in order for each object. A repeated event becomes a series of the first one (a
count, written at most every ten seconds). A token bucket for each object limits the number of different events. Reasons
and messages must not go here.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import structlog

from kubechain.net.foreign import cut_bytes, error_text
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import (
    AlreadyExists,
    ApiError,
    InternalError,
    NotFound,
    ServerTimeout,
    ServiceUnavailable,
    TooManyRequests,
    TransportError,
)
from kubechain.runtime.eventqueue import EventQueue
from kubechain.runtime.resource import KubernetesObject

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

QUEUE_LIMIT = 4096
"""Events in the queue; about 4 MB. Above that events are dropped, counted and logged: best effort by contract."""

WORKERS = 8
"""Events that are written at the same time, and so their connections."""

DROPS_REPORT_SECONDS = 60.0
"""Dropped events are logged in one line for all of them, at most this often."""

SERIES_SECONDS = 360.0
"""The same event after a longer time is a new one, as in client-go."""

SERIES_FLUSH_SECONDS = 10.0
"""How often the count of a running series is written."""

SERIES_LIMIT = 4096
"""Limit for the events kept for series, and for the objects kept with their buckets; least recently used go first."""

BURST = 25
REFILL_SECONDS = 300.0
"""Events about one object from one component: 25 at once, then one in five minutes; client-go's spam filter."""

ATTEMPTS = 4
RETRY_SECONDS = 2.0
"""Attempts of one write, and the wait between them, before the event is dropped."""

NAMESPACE_TERMINATING = "NamespaceTerminating"
"""Cause of a refusal: the namespace is being deleted, and its events with it, so that nobody misses one."""

NOTE_LIMIT = 1024
REASON_LIMIT = 128
NAME_LIMIT = 253
"""kube-apiserver's limits."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What makes two events the same."""

    component: str
    kind: str
    namespace: str
    name: str
    uid: str
    type: str
    reason: str
    note: str


@dataclass(slots=True, eq=False)
class _Entry:
    """One Event object, its series, and how much of it is written."""

    key: _Key
    name: str
    regarding: dict[str, Any]
    first_at: datetime
    last_at: datetime
    seen_at: float
    is_minor: bool
    is_queued: bool = False
    count: int = 1
    written_count: int = 0
    flush_due: bool = False

    @property
    def about(self) -> tuple[str, str, str, str]:
        """The object that it is about."""
        key = self.key
        return key.kind, key.namespace, key.name, key.uid


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(frozen=True, slots=True)
class EventStatistics:
    """Counts since the start."""

    written: int
    aggregated: int
    filtered: int
    dropped: int
    pending: int


@dataclass(slots=True)
class _Counts:
    written: int = 0
    aggregated: int = 0
    filtered: int = 0
    dropped: int = 0


@dataclass(slots=True)
class _Drops:
    """Dropped events that no log line tells yet."""

    count: int = 0
    last: str = ""
    why: str = ""

    def add(self, key: _Key, why: str) -> None:
        self.count += 1
        self.last, self.why = f"{key.kind} {key.namespace}/{key.name}: {key.reason}", why


@dataclass(slots=True)
class _Memory:
    """The recent series and token buckets; bounded."""

    series: OrderedDict[_Key, _Entry] = field(default_factory=OrderedDict[_Key, _Entry])
    buckets: OrderedDict[tuple[str, str], _Bucket] = field(default_factory=OrderedDict[tuple[str, str], _Bucket])

    def trim(self) -> None:
        for memory in (self.series, self.buckets):
            while len(memory) > SERIES_LIMIT:
                memory.popitem(last=False)


class EventRecorder:
    """Records events of one component."""

    def __init__(self, sink: EventSink, component: str) -> None:
        """Create a recorder; use `Manager.recorder`."""
        self._sink = sink
        self._component = component

    def event(self, obj: KubernetesObject, event_type: str, reason: str, message: str, *, is_end: bool = False) -> None:
        """Record an event about an object; never blocks and never raises.

        Args:
            obj: what the event is about.
            event_type: `Normal` or `Warning`.
            reason: one word in upper camel case.
            message: one human-readable sentence without secrets and prompts.
            is_end: whether it tells the end of the object's work; such events are dropped last.
        """
        self._sink.record(self._component, obj, event_type, reason, message, is_end=is_end)


class EventSink:
    """Writes the events of all recorders, in order for each object."""

    def __init__(self, client: Client, *, clock: Clock, instance: str) -> None:
        """Create a sink; nothing is written before `run`.

        Args:
            client: for the writes.
            clock: for times.
            instance: identity of this replica, for `reportingInstance`.
        """
        self._client = client
        self._clock = clock
        self._instance = instance[:REASON_LIMIT]
        self._memory = _Memory()
        self._queue: EventQueue[_Entry] = EventQueue(QUEUE_LIMIT)
        self._counts = _Counts()
        self._unreported = _Drops()
        self._report_due = False
        self._last_stamp = 0

    def record(
        self, component: str, obj: KubernetesObject, event_type: str, reason: str, message: str, *, is_end: bool
    ) -> None:
        """Record an event; see `EventRecorder.event`."""
        key = _key(component, obj, event_type, reason, message)
        entry = self._memory.series.get(key)
        now = self._clock.monotonic()
        if entry is not None and now - entry.seen_at <= SERIES_SECONDS:
            self._repeat(entry, now)
        elif not self._has_token(component, key, now):
            self._counts.filtered += 1
        else:
            self._begin(key, obj, now, is_minor=key.type == "Normal" and not is_end)

    async def run(self) -> None:
        """Write recorded events until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(WORKERS):
                group.create_task(self._work(), name=f"events-{number}")

    async def drain(self) -> None:
        """Return when every recorded event is written or dropped; the current counts of series are written."""
        for entry in list(self._memory.series.values()):
            if entry.count > entry.written_count:
                self._enqueue(entry)
        await self._queue.join()

    def statistics(self) -> EventStatistics:
        """Return counts, for metrics and debugging."""
        counts = self._counts
        return EventStatistics(counts.written, counts.aggregated, counts.filtered, counts.dropped, len(self._queue))

    async def _work(self) -> None:
        while True:
            entry = await self._queue.take()
            entry.is_queued = entry.flush_due = False
            try:
                await self._write(entry)
            finally:
                self._queue.done(entry)

    def _begin(self, key: _Key, obj: KubernetesObject, now: float, *, is_minor: bool) -> None:
        at = self._clock.now()
        entry = _Entry(key, self._name(key.name, at), _regarding(obj, key), at, at, now, is_minor)
        self._memory.series[key] = entry
        self._memory.series.move_to_end(key)
        self._memory.trim()
        self._enqueue(entry)

    def _repeat(self, entry: _Entry, now: float) -> None:
        entry.count += 1
        entry.last_at, entry.seen_at = self._clock.now(), now
        self._counts.aggregated += 1
        self._memory.series.move_to_end(entry.key)
        if entry.written_count:
            self._flush_later(entry)

    def _flush_later(self, entry: _Entry) -> None:
        if not entry.flush_due:
            entry.flush_due = True
            asyncio.get_running_loop().call_later(SERIES_FLUSH_SECONDS, self._enqueue, entry)

    def _enqueue(self, entry: _Entry) -> None:
        if entry.is_queued:
            return
        entry.is_queued = True
        dropped = self._queue.put(entry)
        if dropped is not None:
            dropped.is_queued = dropped.flush_due = False
            self._drop(dropped, f"{QUEUE_LIMIT} wait already")

    def _drop(self, entry: _Entry, why: str) -> None:
        """Count an event that is not written; log the first, and how many more there are in the time after it."""
        self._counts.dropped += 1
        self._forget(entry)
        self._unreported.add(entry.key, why)
        if not self._report_due:
            self._report_drops()

    def _forget(self, entry: _Entry) -> None:
        """Let no later event join a series that was never written."""
        if not entry.written_count and self._memory.series.get(entry.key) is entry:
            del self._memory.series[entry.key]

    def _report_drops(self) -> None:
        drops, self._unreported = self._unreported, _Drops()
        self._report_due = drops.count > 0
        if not self._report_due:
            return
        log.warning("events dropped", dropped=drops.count, waiting=len(self._queue), last=drops.last, error=drops.why)
        asyncio.get_running_loop().call_later(DROPS_REPORT_SECONDS, self._report_drops)

    def _has_token(self, component: str, key: _Key, now: float) -> bool:
        about = (component, key.uid or f"{key.kind}/{key.namespace}/{key.name}")
        bucket = self._memory.buckets.setdefault(about, _Bucket(float(BURST), now))
        self._memory.buckets.move_to_end(about)
        bucket.tokens = min(float(BURST), bucket.tokens + (now - bucket.at) / REFILL_SECONDS)
        bucket.at = now
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True

    def _name(self, object_name: str, at: datetime) -> str:
        """Return a name that sorts by time: kubectl orders events of the same second by name."""
        self._last_stamp = max(self._last_stamp + 1, int(at.timestamp() * 1_000_000))
        stamp = f"{self._last_stamp:016x}"
        head = object_name[: NAME_LIMIT - len(stamp) - 1]
        return f"{re.sub('[^a-z0-9]+$', '', head)}.{stamp}"

    async def _write(self, entry: _Entry) -> None:
        """Write one event or the state of its series; after several failed attempts the event is dropped."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._send(entry)
            except AlreadyExists:  # the response to an earlier attempt was lost
                entry.written_count = max(1, entry.written_count)
            except (TransportError, TooManyRequests, InternalError, ServiceUnavailable, ServerTimeout) as error:
                if attempt < ATTEMPTS:
                    await self._clock.sleep(RETRY_SECONDS)
                    continue
                self._drop(entry, error_text(error))
            except ApiError as error:
                if NAMESPACE_TERMINATING in error.cause_reasons:
                    self._counts.filtered += 1
                    self._forget(entry)
                else:
                    self._drop(entry, error_text(error))
            else:
                if entry.count > entry.written_count:  # repeated during the write
                    self._flush_later(entry)
            return

    async def _send(self, entry: _Entry) -> None:
        count = entry.count
        if count == entry.written_count:  # queued by the drain while it was being written
            return
        path = f"/apis/events.k8s.io/v1/namespaces/{entry.regarding.get('namespace') or 'default'}/events"
        if entry.written_count:
            patch = msgspec.json.encode({"series": _series(entry)})
            headers = {"accept": "application/json", "content-type": "application/merge-patch+json"}
            try:
                await self._client.request("PATCH", f"{path}/{entry.name}", headers=headers, body=patch)
            except NotFound:  # expired on the server: continue the series in a new object
                entry.name = self._name(entry.key.name, self._clock.now())
                entry.written_count = 0
        if not entry.written_count:
            await self._client.request("POST", path, body=msgspec.json.encode(self._body(entry)))
        entry.written_count = count
        self._counts.written += 1

    def _body(self, entry: _Entry) -> dict[str, Any]:
        key = entry.key
        body: dict[str, Any] = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": entry.name, "namespace": entry.regarding.get("namespace") or "default"},
            "eventTime": _micro_time(entry.first_at),
            "reportingController": key.component,
            "reportingInstance": self._instance,
            "action": key.reason,
            "reason": key.reason,
            "type": key.type,
            "note": key.note,
            "regarding": entry.regarding,
        }
        if entry.count > 1:
            body["series"] = _series(entry)
        return body


def _key(component: str, obj: KubernetesObject, event_type: str, reason: str, message: str) -> _Key:
    metadata = obj.metadata
    return _Key(
        component=component, kind=obj.kind, namespace=metadata.namespace or "", name=metadata.name or "",
        uid=metadata.uid or "", type="Warning" if event_type == "Warning" else "Normal", reason=reason[:REASON_LIMIT],
        # Foreign text may contain lone surrogates, which cannot be encoded.
        note=cut_bytes(message, NOTE_LIMIT, note=lambda _: ""),
    )  # fmt: skip


def _regarding(obj: KubernetesObject, key: _Key) -> dict[str, Any]:
    reference = {
        "apiVersion": obj.api_version,
        "kind": obj.kind,
        "namespace": key.namespace,
        "name": key.name,
        "uid": key.uid,
        "resourceVersion": obj.metadata.resource_version,
    }
    return {name: value for name, value in reference.items() if value}


def _series(entry: _Entry) -> dict[str, Any]:
    return {"count": entry.count, "lastObservedTime": _micro_time(entry.last_at)}


def _micro_time(at: datetime) -> str:
    """Return metav1.MicroTime's form: always six digits."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
