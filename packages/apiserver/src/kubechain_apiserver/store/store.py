"""The store: storage, history and listeners; every write goes through it.

Listeners are called with each change after it is durable: the registry, the garbage collector, namespaces, watches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import orjson

from kubechain_apiserver.store.history import Change, History
from kubechain_apiserver.store.storage import Key, Record, Storage
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import GroupResource

Listener = Callable[[Change], None]

OBJECT_LIMIT_BYTES = int(1.5 * 1024 * 1024)
"""Maximum size of an object: etcd's default request limit (`--max-request-bytes`)."""


_POINTLESS = re.compile(rb"\d\.0[,}\]]")
"""A whole number with a fraction of zero, which Go would write without it, or a string that looks like one."""


def _without_points(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_points(item) for name, item in cast("JsonObject", value).items()}
        case list():
            return [_without_points(item) for item in cast("list[Any]", value)]
        case float() if value.is_integer() and abs(value) < 2**63:
            return int(value)
        case _:
            return value


class Store:
    """Objects by key, and their recent changes."""

    def __init__(self, storage: Storage, history: History | None = None) -> None:
        self._storage = storage
        self.history = history if history is not None else History(storage.revision)
        self._listeners: list[Listener] = []

    @property
    def revision(self) -> int:
        return self._storage.revision

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with every change, in order."""
        self._listeners.append(listener)

    def get(self, key: Key) -> Record | None:
        return self._storage.get(key)

    def scan(self, resource: GroupResource, namespace: str | None = None) -> list[Record]:
        return self._storage.scan(resource, namespace)

    def put(self, key: Key, obj: JsonObject) -> Record:
        """Write an object; its resourceVersion becomes the new revision. The store owns `obj` from now on.

        Raises:
            StatusError: It is larger than etcd allows.
        """
        revision = self._storage.revision + 1
        obj["metadata"]["resourceVersion"] = str(revision)
        data = orjson.dumps(obj)
        if b".0" in data and _POINTLESS.search(data):
            obj = _without_points(obj)
            data = orjson.dumps(obj)
        if len(data) > OBJECT_LIMIT_BYTES:
            raise errors.object_too_large()
        previous = self._storage.get(key)
        record = Record(key, revision, data=data, parsed=obj)
        self._storage.put(record)
        self._announce(Change(revision, key, record, previous, deleted=False))
        return record

    def rewrite(self, record: Record, obj: JsonObject) -> None:
        """Replace an object without a new revision and without notifying watches (a CRD's schema changed)."""
        self._storage.put(Record(record.key, record.revision, data=orjson.dumps(obj), parsed=obj))

    def delete(self, key: Key) -> Record:
        """Remove an object; returns its last state with the revision of the deletion."""
        previous = self._storage.get(key)
        if previous is None:
            raise KeyError(key)
        revision = self._storage.revision + 1
        metadata = {**previous.object["metadata"], "resourceVersion": str(revision)}
        last = {**previous.object, "metadata": metadata}
        record = Record(key, revision, data=orjson.dumps(last), parsed=last)
        self._storage.delete(key, revision)
        self._announce(Change(revision, key, record, previous, deleted=True))
        return record

    def _announce(self, change: Change) -> None:
        self.history.append(change)
        for listener in self._listeners:
            listener(change)

    def at(self, resource: GroupResource, namespace: str | None, revision: int) -> list[Record]:
        """Return the records at a revision.

        Raises:
            ExpiredError: The history does not reach back so far.
        """
        changes = self.history.since(resource, revision)
        if not changes:
            return self.scan(resource, namespace)
        records = {record.key: record for record in self.scan(resource, namespace)}
        for change in reversed(changes):
            if change.previous is not None:
                records[change.key] = change.previous
            else:
                records.pop(change.key, None)
        wanted = (r for r in records.values() if namespace is None or r.key.namespace == namespace)
        return sorted(wanted, key=lambda record: record.key)

    def statistics(self) -> JsonObject:
        return {
            "revision": self.revision,
            "objects": {str(resource): count for resource, count in self._storage.count().items()},
            "history": {
                "events": len(self.history),
                "bytes": self.history.size_bytes,
                "compacted": self.history.compacted,
            },
        }

    def close(self) -> None:
        self._storage.close()
