"""The cache of one kind: encoded objects with their decoded identity, indexes, and our own writes.

A reflector fills it with what the server sends, the client with what we wrote; `Lister` reads it. An object never goes
back in time: resourceVersions of a kind are ordered numbers, and a watch event or list item that is older than the
stored object is ignored. Usually it is the echo of a write that our own write was based on. Only the server itself may
go back, when it is restored from a backup: its answer to a write then has a version that should be past.

Synchronous, on one event loop, without locks. No requests here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from kubechain.runtime.changes import Change, Handler
from kubechain.runtime.decoding import Decoder
from kubechain.runtime.errors import TerminalError
from kubechain.runtime.indexes import Index
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Identity, Stored, stored
from kubechain.runtime.resource import KubernetesObject, Resource

T = TypeVar("T", bound=KubernetesObject)

CHUNK = 250
"""Objects of a list that are stored between two pauses: about 2 ms."""


class Undecodable(TerminalError):
    """A cached object cannot be decoded into its model; a retry cannot help before the object changes."""


@dataclass(frozen=True, slots=True)
class _Tombstone:
    """An object that we deleted: older events of the same uid must not restore it."""

    uid: str
    version: int


class Store(Generic[T]):
    """All cached objects of one kind."""

    def __init__(self, resource: Resource[T], *, own_writes: bool = True) -> None:
        """Create an empty store.

        Args:
            resource: the kind.
            own_writes: store our own writes at once; False only in tests that show what would be missing.
        """
        self.resource = resource
        self.decoder = Decoder(resource)
        self._own_writes = own_writes
        self._namespaces: dict[str, dict[str, Stored]] = {}
        self._tombstones: dict[Request, _Tombstone] = {}
        self._indexes: dict[str, Index[T]] = {}
        self._handlers: list[Handler] = []
        # By namespace of a list, None for all: the keys that we wrote since it was requested.
        self._written_since_list: dict[str | None, set[Request]] = {}
        self._in_flight: dict[Request, int] = {}
        self.newest = 0
        """The highest version seen."""
        self._newest_before: dict[Request, int] = {}  # of a write in flight: the newest version before it was sent
        self._delayed_events: dict[Request, list[Callable[[], None]]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many objects there are."""
        return self._count

    def get(self, key: Request) -> Stored | None:
        """Return one object, still encoded."""
        return self._namespaces.get(key.namespace, {}).get(key.name)

    def scan(self, namespace: str | None = None) -> Iterator[Stored]:
        """Yield all objects, of one namespace or of all; the store must not change meanwhile."""
        if namespace is not None:
            yield from self._namespaces.get(namespace, {}).values()
            return
        for held in self._namespaces.values():
            yield from held.values()

    def by_index(self, name: str, value: str) -> list[Stored]:
        """Return the objects that have a value in an index.

        Raises:
            KeyError: there is no such index.
        """
        return [held for key in self._indexes[name].keys(value) if (held := self.get(key)) is not None]

    def add_index(self, name: str, values_of: Callable[[T], Iterable[str]]) -> None:
        """Add an index; it replaces one of the same name."""
        index = self._indexes[name] = Index(values_of)
        for held in self.scan():
            index.put(_key(held), self.decoder.decode_or_none(held))

    def add_handler(self, handler: Handler) -> None:
        """Add a handler of changes; it is called first for the objects that are already stored."""
        self._handlers.append(handler)
        for held in list(self.scan()):
            handler(Change(self.decoder, None, held, at_start=True))

    def stored(self, raw: bytes | msgspec.Raw) -> Stored:
        """Reduce a received object to what is kept.

        Raises:
            msgspec.MsgspecError: it is not a Kubernetes object.
        """
        resource = self.resource
        return stored(raw, api_version=resource.api_version, kind=resource.kind, metadata_only=resource.metadata_only)

    def apply(self, received: Stored) -> None:
        """Store an object from the watch, whether it was added or modified."""
        key = _key(received)
        if key in self._in_flight:
            self._delayed_events.setdefault(key, []).append(lambda: self.apply(received))
        elif self._is_newer(key, received):
            self._put(key, received)

    def remove(self, received: Stored) -> None:
        """Remove an object that the watch reports as deleted."""
        key = _key(received)
        if key in self._in_flight:
            self._delayed_events.setdefault(key, []).append(lambda: self.remove(received))
            return
        tombstone = self._tombstones.get(key)
        if tombstone is not None and tombstone.uid == received.metadata.uid:
            del self._tombstones[key]
        held = self.get(key)
        if held is not None and (
            held.metadata.uid == received.metadata.uid or held.metadata.version < received.metadata.version
        ):
            self._drop(key, held)

    def begin_replace(self, *, namespace: str | None = None) -> None:
        """Start to record our own writes: a list that is requested now may not have them."""
        self._written_since_list[namespace] = set()

    def replace(
        self, items: Iterable[Stored], version: int, *, namespace: str | None = None, exact: bool = False
    ) -> None:
        """Store a whole list without pauses; see `replacing`."""
        for _ in self.replacing(items, version, namespace=namespace, exact=exact):
            pass

    def replacing(
        self, items: Iterable[Stored], version: int, *, namespace: str | None = None, exact: bool = False
    ) -> Iterator[None]:
        """Store a whole list and remove the objects that it lacks, with one change for each.

        Yields after every few hundred objects, so that the caller can let the event loop run. Readers see newer and
        older objects side by side meanwhile, as with a watch.

        Args:
            items: the list.
            version: its resourceVersion.
            namespace: what was listed; None for all.
            exact: the list is a consistent read. It wins even over newer stored objects, which exist when the cluster
                was restored from a backup; only our own writes since the request are kept.
        """
        fresh = self._written_since_list.setdefault(namespace, set())
        listed: dict[Request, str] = {}  # key -> uid
        for number, item in enumerate(items, start=1):
            key = _key(item)
            listed[key] = item.metadata.uid
            if self._is_newer(key, item):
                self._put(key, item, at_start=True)
            elif exact and key not in fresh and not self._was_deleted(key, item):
                self._put(key, item, at_start=True, exact=True)
            if number % CHUNK == 0:
                yield
        self._drop_unlisted(listed, version, namespace, fresh if exact else None)
        self._forget_tombstones(listed, version, namespace)
        self.newest = max(self.newest, version)
        del self._written_since_list[namespace]

    def _drop_unlisted(
        self, listed: Collection[Request], version: int, namespace: str | None, fresh: set[Request] | None
    ) -> None:
        """Remove objects that a list lacks, unless they are newer; for an exact list, unless we wrote them since."""
        for held in list(self.scan(namespace)):
            key = _key(held)
            if key in listed:
                continue
            if held.metadata.version <= version or (fresh is not None and key not in fresh):
                self._drop(key, held, at_start=True)

    @contextmanager
    def writing(self, key: Request) -> Generator[None]:
        """Delay watch events of an object while our own write to it is in flight.

        The event of a write may arrive before its response, and only the response tells that the event is an echo.
        """
        self._in_flight[key] = self._in_flight.get(key, 0) + 1
        self._newest_before.setdefault(key, self.newest)
        try:
            yield
        finally:
            self._in_flight[key] -= 1
            if not self._in_flight[key]:
                del self._in_flight[key]
                self._newest_before.pop(key, None)
                for take in self._delayed_events.pop(key, ()):
                    take()

    def is_rewound(self, received: Stored, *, base_version: str | None) -> bool:
        """Tell whether the answer to our own write has a version that was past before the write was sent.

        An unconditional write says nothing: it may have changed nothing, and then has the object's old version.
        """
        if base_version is None or base_version == received.metadata.resource_version:
            return False
        return received.metadata.version <= self._newest_before.get(_key(received), 0)

    def rewind(self) -> None:
        """Forget which versions and deletions were seen: the server went back to an earlier state of its objects."""
        self.newest = 0
        self._newest_before.clear()
        self._tombstones.clear()

    def wrote(self, received: Stored, *, base_version: str | None) -> None:
        """Store the result of our own write.

        Args:
            received: the object in the server's response.
            base_version: the version that the write was conditional on; see `observers.WriteObserver`.
        """
        key = _key(received)
        if not self._own_writes or not self._is_newer(key, received):
            return
        held = self.get(key)
        known = held.metadata.resource_version if held is not None else ""
        for fresh in self._written_since_list.values():
            fresh.add(key)
        self._put(key, received, own=base_version == known)

    def deleted(self, key: Request, *, uid: str) -> None:
        """Remove an object that we deleted."""
        held = self.get(key)
        if not self._own_writes or held is None or held.metadata.uid != uid:
            return
        self._tombstones[key] = _Tombstone(uid, held.metadata.version)
        self._drop(key, held, own=True)

    def statistics(self) -> Mapping[str, int]:
        """Return counts, for metrics and debugging."""
        held_bytes = sum(len(held.raw) for held in self.scan())
        return {"objects": len(self), "bytes": held_bytes, "tombstones": len(self._tombstones)}

    def _was_deleted(self, key: Request, received: Stored) -> bool:
        tombstone = self._tombstones.get(key)
        return tombstone is not None and tombstone.uid == received.metadata.uid

    def _is_newer(self, key: Request, received: Stored) -> bool:
        tombstone, held = self._tombstones.get(key), self.get(key)
        if tombstone is not None and (
            tombstone.uid == received.metadata.uid or received.metadata.version < tombstone.version
        ):
            return False
        return held is None or held.metadata.version < received.metadata.version

    def _put(
        self, key: Request, received: Stored, *, own: bool = False, at_start: bool = False, exact: bool = False
    ) -> None:
        held = self.get(key)
        self.newest = max(self.newest, received.metadata.version)
        if held is not None and held.metadata.uid != received.metadata.uid:
            self._drop(key, held, at_start=at_start)  # another object of this name: a deletion was missed
            held = None
        is_same = held is not None and held.metadata.version == received.metadata.version
        if held is not None and is_same and not (exact and held.raw != received.raw):
            return  # after a restore, one version may stand for two states
        self._namespaces.setdefault(key.namespace, {})[key.name] = received
        self._count += held is None
        self._changed(Change(self.decoder, held, received, own=own, at_start=at_start))

    def _drop(self, key: Request, held: Stored, *, own: bool = False, at_start: bool = False) -> None:
        names = self._namespaces[key.namespace]
        del names[key.name]
        self._count -= 1
        if not names:
            del self._namespaces[key.namespace]
        self._changed(Change(self.decoder, held, None, own=own, at_start=at_start))

    def _changed(self, change: Change[T]) -> None:
        if self._indexes:
            obj = change.current()
            for index in self._indexes.values():
                index.put(change.key, obj)
        for handler in self._handlers:
            handler(change)

    def _forget_tombstones(self, listed: Mapping[Request, str], version: int, namespace: str | None) -> None:
        """Drop the tombstones of objects that a list no longer has, if it is newer than the object's last version."""
        for key, stone in list(self._tombstones.items()):
            is_gone = listed[key] != stone.uid if key in listed else stone.version < version
            if is_gone and namespace in (None, key.namespace):
                del self._tombstones[key]


def _key(held: Stored) -> Request:
    return Request(held.metadata.namespace, held.metadata.name)


class Lister(Generic[T]):
    """Reads typed objects from a store. Each gets an object of its own, or all share one that is frozen."""

    def __init__(self, store: Store[T]) -> None:
        """Create a reader of `store`."""
        self._store = store

    def get(self, namespace: str, name: str) -> T | None:
        """Return one object, None when there is none.

        Raises:
            Undecodable: it cannot be decoded into its model.
        """
        held = self._store.get(Request(namespace, name))
        if held is None:
            return None
        try:
            return self._store.decoder.decode(held)
        except (ValueError, TypeError) as error:
            raise Undecodable(f"{self._store.resource.kind} does not fit its model: {namespace}/{name}") from error

    def list(self, namespace: str | None = None) -> list[T]:
        """Return the objects of one namespace or of all, except those that cannot be decoded."""
        return self._decoded(self._store.scan(namespace))

    def by_index(self, index: str, value: str) -> list[T]:
        """Return the objects that have a value in an index.

        Raises:
            KeyError: there is no such index.
        """
        return self._decoded(self._store.by_index(index, value))

    def metadata(self, namespace: str, name: str) -> Identity | None:
        """Return the metadata of one object without decoding the rest."""
        held = self._store.get(Request(namespace, name))
        return held.metadata if held is not None else None

    def _decoded(self, items: Iterable[Stored]) -> list[T]:
        decoder = self._store.decoder
        return [obj for held in items if (obj := decoder.decode_or_none(held)) is not None]
