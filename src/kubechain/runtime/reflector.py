"""Keeps one store equal to the server's objects: lists, watches, and backs off on errors, until it is cancelled.

A reflector is a state machine:

    listing ──► watching ──► (stream ends, idle, or breaks) ──► watching again from the last version
       ▲            │
       └────────────┴── 410, "too large resource version", an invalid response, or a server that went back in time

Listing means, in this order: a watch that sends the initial state (WatchList) where it is served, a list from the
server's cache, a consistent paged list where the cache is behind or our version has expired. No error is fatal: the
store keeps its objects, readiness reports the error, and the reflector retries with client-go's backoff.

A server that was restored from a backup has lower versions than before, and a watch from our version would be silent
until it has caught up. So after a failure the server is asked for its version before the watch goes on.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec
import structlog

from kubechain.net.backoff import ADDED_JITTER, Backoff
from kubechain.net.foreign import error_text
from kubechain.runtime.client import ACCEPT_JSON, ACCEPT_METADATA, Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import (
    ApiError,
    BadRequest,
    Expired,
    Forbidden,
    Invalid,
    TooManyRequests,
    TransportError,
    error_from_status,
)
from kubechain.runtime.metadata import Stored, decoded, version_number
from kubechain.runtime.outages import Outages, rule_for
from kubechain.runtime.pages import PAGE_LIMIT, RawPage, target
from kubechain.runtime.resource import Resource
from kubechain.runtime.transport import Exchange, StreamReply

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

BACKOFF_BASE_SECONDS = 0.8
BACKOFF_MAX_SECONDS = 30.0
"""client-go's reflector constants: 0.8 s, doubled up to 30 s, each with up to 100 % jitter on top."""

CACHE_STARTS_TEXT = "storage is (re)initializing"
CACHE_STARTS_BASE_SECONDS = 0.1
"""The message of kube-apiserver's 429 while it initializes its cache of a kind, and the initial backoff for it: the
cache is ready within tenths of a second after a definition was installed."""

SERVER_TIMEOUT_SECONDS = (300.0, 600.0)
"""Range of the duration of one watch; drawn for each, so that watches do not reconnect at the same time."""

IDLE_SECONDS = 75.0
"""Time without data after which a connection counts as broken. Bookmarks come about once a minute."""

CONNECT_SECONDS = 30.0
"""Limit for the response headers of a watch; the server waits until its cache has our version."""

INITIAL_IDLE_SECONDS = 15.0
"""Time without data within the initial events after which WatchList counts as unsupported."""

HEALTHY_SECONDS = 5.0
"""A watch that lasted this long does not count as a failure, however it ended."""

CHUNK = 250
"""Objects that are handled between two pauses for the event loop while a list is stored: about 2 ms."""

INITIAL_END = b"k8s.io/initial-events-end"
"""Annotation of the bookmark that ends the initial events."""

TOO_LARGE_VERSION = "ResourceVersionTooLarge"
TOO_LARGE_TEXT = "Too large resource version"
"""Reason and message of a server whose cache is older than our version."""


class ReflectorPhase(enum.StrEnum):
    """The state of a reflector, for readiness and debugging."""

    LISTING = "listing"
    WATCHING = "watching"
    BACKING_OFF = "backing off"
    FORBIDDEN = "forbidden"


class Sink(Protocol):
    """A store, as a reflector fills it."""

    def stored(self, raw: bytes | msgspec.Raw) -> Stored:
        """Read what the store keeps of an object."""
        ...

    def begin_replace(self, *, namespace: str | None = None) -> None:
        """Prepare for a list, of all namespaces or of one."""
        ...

    def replacing(
        self, items: Iterable[Stored], version: int, *, namespace: str | None = None, exact: bool = False
    ) -> Iterable[None]:
        """Replace the content by a list, a part at each step."""
        ...

    def apply(self, received: Stored) -> None:
        """Keep an object that was added or modified."""
        ...

    def remove(self, received: Stored) -> None:
        """Drop an object that was deleted."""
        ...


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _StatusCode(msgspec.Struct):
    code: int = 500


_EVENT = msgspec.json.Decoder(_Event)
_STATUS_CODE = msgspec.json.Decoder(_StatusCode)


class FailureCount:
    """Failures in a row of one reflector, and the backoff after them; forgotten after a healthy stretch."""

    def __init__(self, clock: Clock) -> None:
        """Create a backoff without failures."""
        self._clock = clock
        self._failures = 0

    def next_seconds(self, base_seconds: float = BACKOFF_BASE_SECONDS) -> float:
        """Count a failure and return how long to wait; doubled from `base_seconds` with each."""
        backoff = Backoff(base_seconds, BACKOFF_MAX_SECONDS, jitter=ADDED_JITTER)
        self._failures += 1
        return backoff.seconds(self._failures - 1, self._clock.random.random())

    def reset(self) -> None:
        """Forget the failures."""
        self._failures = 0


class Reflector:
    """Lists and watches one kind in one namespace, or in all."""

    def __init__(
        self, resource: Resource[Any], sink: Sink, *, client: Client, exchange: Exchange, clock: Clock,
        outages: Outages, namespace: str | None = None, watch_list: bool = True,
        on_rewind: Callable[[int, int], None] = lambda seen, found: None,
    ) -> None:  # fmt: skip
        """Create a reflector; nothing happens before `run`.

        Args:
            resource: the kind.
            sink: the store to fill.
            client: for lists.
            exchange: for watches.
            clock: for waits and jitter.
            outages: logs what fails.
            namespace: None for all.
            watch_list: try WatchList before a list.
            on_rewind: called with the version that was seen and the lower one that the server has now; must call
                `rewind` of every reflector.
        """
        self._resource, self._sink = resource, sink
        self._client, self._exchange, self._clock, self._outages = client, exchange, clock, outages
        self._what = f"watch {resource.plural}" + (f" in {namespace}" if namespace else "")
        self.namespace = self._namespace = namespace
        self._selected = {"labelSelector": resource.label_selector} if resource.label_selector else {}
        self._watch_list = watch_list
        self._backoff = FailureCount(clock)
        self._version = ""
        self._must_list = True
        self._must_be_exact = False
        self._on_rewind = on_rewind
        self._was_reached = False
        self._has_failed = False  # since the server's version was last compared with ours
        self._turn: asyncio.Timeout | None = None  # ends the list or watch in progress
        self._initial: list[Stored] | None = None
        self._initial_version = ""  # of the initial events, once all are here
        self.phase = ReflectorPhase.LISTING
        self.verb = "watch" if watch_list else "list"
        """The verb of the last request, for error messages about missing permissions."""
        self.synced = asyncio.Event()
        self.last_error = ""
        self.last_received_at = clock.monotonic()
        self.relist_count = 0
        self.event_count = 0

    async def run(self) -> None:
        """Follow the server until cancelled.

        Raises:
            Forbidden: the kind is optional, and the server does not permit to follow it.
        """
        while True:
            started_at, base_seconds = self._clock.monotonic(), BACKOFF_BASE_SECONDS
            try:
                if await self._take_turn():
                    continue
            except Exception as error:  # noqa: BLE001  the owner task: no response may end the cache
                if self._on_failure(error):
                    continue
                if isinstance(error, TooManyRequests) and CACHE_STARTS_TEXT in error.message:
                    base_seconds = CACHE_STARTS_BASE_SECONDS
            await self._pause(base_seconds, healthy=self._clock.monotonic() - started_at >= HEALTHY_SECONDS)

    def rewind(self) -> None:
        """Read everything again by a consistent list, because the server went back to an earlier state."""
        self._must_list = self._must_be_exact = True
        if self._turn is not None and not self._turn.expired():
            self._turn.reschedule(asyncio.get_running_loop().time())

    def leave(self) -> None:
        """Take note that the server does not permit to follow the kind, which is optional: nobody waits for it."""
        self.phase, self.last_error = ReflectorPhase.FORBIDDEN, ""
        self.synced.set()

    async def _take_turn(self) -> bool:
        """List and watch until the watch ends; return whether `rewind` ended it."""
        turn = self._turn = asyncio.timeout(None)
        try:
            async with turn:
                if self._has_failed and not self._must_list:
                    await self._compare_versions()
                if self._must_list and not self._watch_list:
                    await self._list()
                await self._watch()
        except TimeoutError:
            if not turn.expired():
                raise
            return True
        finally:
            self._turn = None
        return False

    async def _compare_versions(self) -> None:
        """Ask for the server's version by a consistent list of one object; report one that is lower than ours."""
        pages = self._client.pages(self._resource, self._namespace, self._selected, limit=1)
        found, seen = version_number((await anext(pages)).resource_version), version_number(self._version)
        self._has_failed = False
        if found < seen:
            self._on_rewind(seen, found)

    # --- listing

    async def _list(self) -> None:
        self.phase, self.verb = ReflectorPhase.LISTING, "list"
        self._sink.begin_replace(namespace=self._namespace)
        items: list[Stored] = []
        version = ""
        async for page in self._pages():
            items += await self._stored_all(page)
            version = page.resource_version
        await self._store_list(items, version)

    def _pages(self) -> AsyncIterator[RawPage]:
        """List from the server's cache without pages, five times as fast, unless the list must be exact."""
        if self._must_be_exact:
            return self._client.pages(self._resource, self._namespace, self._selected, limit=PAGE_LIMIT)
        query = {**self._selected, "resourceVersion": self._version or "0"}
        return self._client.pages(self._resource, self._namespace, query, limit=None)

    async def _stored_all(self, page: RawPage) -> list[Stored]:
        items: list[Stored] = []
        for number, item in enumerate(page.items, start=1):
            items.append(self._sink.stored(item))
            if number % CHUNK == 0:
                await asyncio.sleep(0)
        return items

    async def _store_list(self, items: list[Stored], version: str) -> None:
        for _ in self._sink.replacing(items, int(version), namespace=self._namespace, exact=self._must_be_exact):
            await asyncio.sleep(0)
        self._version = version
        self._initial = None
        self._must_list = self._must_be_exact = False
        self.phase = ReflectorPhase.WATCHING
        self.relist_count += 1
        self._on_data()
        self.synced.set()

    # --- watching

    async def _watch(self) -> None:
        """Read one watch to its end; when a list is needed, the watch begins with the initial state."""
        self.verb = "watch"
        self._initial, self._initial_version = [] if self._must_list else None, ""
        if self._must_list:
            self.phase = ReflectorPhase.LISTING
            self._sink.begin_replace(namespace=self._namespace)
        async with self._open() as stream:
            if stream.status != 200:
                raise error_from_status(stream.status, await stream.read())
            self._on_data()
            lines = stream.lines  # read once: a second iterator would lose buffered data
            if self._initial is not None:
                await self._read_initial(lines)
            await self._read(lines)

    def _open(self) -> AbstractAsyncContextManager[StreamReply]:
        query = {
            **self._selected,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(self._clock.random.uniform(*SERVER_TIMEOUT_SECONDS))),
            "resourceVersion": "" if self._must_be_exact else self._version,
        }
        if self._must_list:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        return self._exchange.stream(
            target(self._resource.path(self._namespace), query),
            headers=ACCEPT_METADATA if self._resource.metadata_only else ACCEPT_JSON,
            connect_timeout_seconds=CONNECT_SECONDS,
            idle_timeout_seconds=IDLE_SECONDS,
        )

    async def _read_initial(self, lines: AsyncIterator[bytes]) -> None:
        """Collect the initial events up to the bookmark that ends them, and store them.

        Raises:
            TimeoutError: the bookmark does not come; the server does not support WatchList.
        """
        async with asyncio.timeout(INITIAL_IDLE_SECONDS) as idle:
            async for line in lines:
                self._take(decoded(_EVENT, line))
                if self._initial_version:
                    break
                if self.event_count % CHUNK == 0:
                    idle.reschedule(asyncio.get_running_loop().time() + INITIAL_IDLE_SECONDS)
                    await asyncio.sleep(0)
        if self._initial is None or not self._initial_version:
            raise TransportError("the watch ended within the initial events")
        await self._store_list(self._initial, self._initial_version)

    async def _read(self, lines: AsyncIterator[bytes]) -> None:
        async for line in lines:
            self._take(decoded(_EVENT, line))
            self._on_data()
            if self.event_count % CHUNK == 0:  # many lines may be buffered: let other tasks run
                await asyncio.sleep(0)

    def _take(self, event: _Event) -> None:
        self.event_count += 1
        if event.type == "ERROR":
            raise _error_of(event.object)
        received = self._sink.stored(event.object)
        if self._initial is None and received.metadata.version < version_number(self._version):
            return  # repeated by an API server that is behind: it must not restore objects that were deleted since
        match event.type:
            case "BOOKMARK":
                self._take_bookmark(event.object, received)
            case "DELETED":
                self._sink.remove(received)
            case _ if self._initial is not None:
                self._initial.append(received)
            case _:
                self._sink.apply(received)
        if self._initial is None:
            self._version = received.metadata.resource_version

    def _take_bookmark(self, raw: msgspec.Raw, received: Stored) -> None:
        if self._initial is not None and INITIAL_END in bytes(raw):
            self._must_be_exact = self._must_be_exact or not self._version  # without a version: a consistent read
            self._initial_version = received.metadata.resource_version

    # --- after a watch or a failure

    def _on_data(self) -> None:
        self.last_received_at = self._clock.monotonic()
        if self._initial is None:
            if self.last_error or not self._was_reached:
                self._outages.succeeded(self._what)
            self.last_error, self._was_reached = "", True

    def _on_failure(self, error: Exception) -> bool:
        """Record a failure, choose the next state, and return whether to continue without a pause."""
        if isinstance(error, Forbidden) and self._resource.is_optional:
            raise error
        was_listing, self._initial = self._must_list, None
        self._has_failed = True
        self.last_error = error_text(error)
        rule = rule_for(self._resource, "get, list, watch", self._namespace)
        self._outages.failed(error, what=self._what, rule=rule)
        match error:
            case BadRequest() | Invalid() | TimeoutError() if was_listing and self._watch_list:
                self._watch_list = False  # not supported: list instead
                return True
            case Expired():
                self._must_list, self._must_be_exact = True, was_listing
            case ApiError() if TOO_LARGE_VERSION in error.cause_reasons or TOO_LARGE_TEXT in error.message:
                self._must_list = self._must_be_exact = True
            case ApiError() | TransportError() | TimeoutError():
                pass
            case _:  # an invalid response: list again
                log.warning("answer not understood", kind=self._resource.kind, exc_info=error)
                self._must_list = True
        return False

    async def _pause(self, base_seconds: float, *, healthy: bool) -> None:
        if healthy:
            self._backoff.reset()
            return
        self.phase = ReflectorPhase.BACKING_OFF
        await self._clock.sleep(self._backoff.next_seconds(base_seconds))


def _error_of(raw: msgspec.Raw) -> ApiError:
    """Return the error of an ERROR event."""
    return error_from_status(_STATUS_CODE.decode(raw).code, bytes(raw))
