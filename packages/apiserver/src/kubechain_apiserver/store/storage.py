"""Storage: records by key, with one revision counter.

`MemoryStorage` is volatile, `sqlite.SqliteStorage` writes a file. Neither interprets objects.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import orjson

from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import GroupResource


class Key(NamedTuple):
    """Key of an object; `namespace` is "" for cluster-scoped kinds."""

    resource: GroupResource
    namespace: str
    name: str


class Record:
    """One object at one revision: JSON bytes, and the parsed object while it is needed."""

    __slots__ = ("_object", "data", "key", "revision")

    def __init__(self, key: Key, revision: int, *, data: bytes, parsed: JsonObject | None = None) -> None:
        self.key = key
        self.revision = revision
        self.data = data
        self._object = parsed

    @property
    def object(self) -> JsonObject:
        """The parsed object, shared: it must not be changed."""
        if self._object is None:
            self._object = orjson.loads(self.data)
        return self._object

    def forget_parsed(self) -> None:
        """Drop the parsed object, of records that are history."""
        self._object = None


class Storage(Protocol):
    """Records by key. `put` and `delete` return when the change is durable."""

    @property
    def revision(self) -> int:
        """The revision of the last change."""
        ...

    def get(self, key: Key) -> Record | None: ...

    def scan(self, resource: GroupResource, namespace: str | None = None) -> list[Record]:
        """Return records in order of namespace and name."""
        ...

    def put(self, record: Record) -> None:
        """Store a record; its revision becomes the last one unless it is older (a rewrite in place)."""
        ...

    def delete(self, key: Key, revision: int) -> None: ...

    def count(self) -> dict[GroupResource, int]: ...

    def close(self) -> None: ...


class MemoryStorage:
    """Records in dictionaries."""

    def __init__(self, revision: int = 1) -> None:
        self._revision = revision
        self._records: dict[GroupResource, dict[tuple[str, str], Record]] = {}
        self._order: dict[GroupResource, list[tuple[str, str]]] = {}

    @property
    def revision(self) -> int:
        return self._revision

    def get(self, key: Key) -> Record | None:
        records = self._records.get(key.resource)
        return records.get((key.namespace, key.name)) if records else None

    def scan(self, resource: GroupResource, namespace: str | None = None) -> list[Record]:
        records = self._records.get(resource, {})
        order = self._order.get(resource)
        if order is None:
            order = self._order[resource] = sorted(records)
        if namespace is None:
            return [records[place] for place in order]
        return [records[place] for place in order if place[0] == namespace]

    def put(self, record: Record) -> None:
        key = record.key
        records = self._records.setdefault(key.resource, {})
        place = (key.namespace, key.name)
        if place not in records:
            self._order.pop(key.resource, None)
        records[place] = record
        self._revision = max(self._revision, record.revision)

    def delete(self, key: Key, revision: int) -> None:
        del self._records[key.resource][key.namespace, key.name]
        self._order.pop(key.resource, None)
        self._revision = max(self._revision, revision)

    def count(self) -> dict[GroupResource, int]:
        return {resource: len(records) for resource, records in self._records.items() if records}

    def close(self) -> None:
        """Nothing to close."""
