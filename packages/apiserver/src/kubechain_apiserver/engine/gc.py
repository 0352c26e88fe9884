"""Garbage collector: deletes objects whose owners no longer exist.

It does what the garbage collector of kube-controller-manager does. Changes are noted as they happen; deletions are made
after the request that caused them (`collect`), in a fixed order.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from kubechain_apiserver.engine.context import Core, copied
from kubechain_apiserver.kinds import metadata
from kubechain_apiserver.merge import managed_fields
from kubechain_apiserver.store.history import Change
from kubechain_apiserver.store.storage import Key, Record
from kubechain_apiserver.wire.json_types import JsonObject

MANAGER = "kube-controller-manager"


class GarbageCollector:
    """Tracks owner references by uid."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._dependents: dict[str, set[Key]] = {}
        self._alive: dict[str, Key] = {}
        self._suspects: deque[Key] = deque()
        core.store.subscribe(self._on_change)

    def scan(self) -> None:
        """Examine every object, at start-up."""
        records = [r for resource in list(self._core.strategies) for r in self._core.store.scan(resource)]
        for record in records:
            self._remember(record)
            if _owners(record.object) or _gc_finalizers(record.object):
                self._suspects.append(record.key)
            # A large store is looked through once: its objects need not stay parsed for that.
            record.forget_parsed()

    def _on_change(self, change: Change) -> None:
        if change.deleted:
            self._forget(change.record)
            return
        self._remember(change.record, change.previous)
        if _owners(change.record.object) or _gc_finalizers(change.record.object):
            self._suspects.append(change.key)

    def _remember(self, record: Record, previous: Record | None = None) -> None:
        self._alive[record.object["metadata"]["uid"]] = record.key
        owners = _owners(record.object)
        before = _owners(previous.object) if previous else set[str]()
        for uid in owners - before:
            self._dependents.setdefault(uid, set()).add(record.key)
        for uid in before - owners:
            self._drop(uid, record.key)

    def _forget(self, record: Record) -> None:
        uid = record.object["metadata"]["uid"]
        self._alive.pop(uid, None)
        for owner in _owners(record.object):
            self._drop(owner, record.key)
            if owner in self._alive:
                # The owner may be waiting in the foreground for this one.
                self._suspects.append(self._alive[owner])
        self._suspects.extend(sorted(self._dependents.get(uid, ())))

    def _drop(self, owner: str, key: Key) -> None:
        dependents = self._dependents.get(owner)
        if dependents is not None:
            dependents.discard(key)
            if not dependents:
                del self._dependents[owner]

    def collect(self) -> None:
        """Make all deletions that are due, and those that follow from them."""
        while self._suspects:
            record = self._core.store.get(self._suspects.popleft())
            if record is not None:
                self._examine(record)

    def _examine(self, record: Record) -> None:
        meta = record.object["metadata"]
        if "deletionTimestamp" in meta:
            self._finish(record)
            return
        owners: list[JsonObject] = meta.get("ownerReferences", [])
        present = [owner for owner in owners if self._is_present(owner, record)]
        if owners and not present:
            self._delete(record)
        elif present and all(self._is_waiting(owner) for owner in present):
            self._delete(record, foreground=True)
        elif len(present) < len(owners):
            self._patch(record, ownerReferences=present)

    def _is_present(self, owner: JsonObject, dependent: Record) -> bool:
        info = self._core.registry.for_kind(owner.get("apiVersion", ""), owner.get("kind", ""))
        if info is None:
            # Whether an owner of an unknown kind exists cannot be decided.
            return True
        key = self._alive.get(owner.get("uid", ""))
        return key is not None and key.namespace in {"", dependent.key.namespace} and key.name == owner.get("name")

    def _is_waiting(self, owner: JsonObject) -> bool:
        key = self._alive.get(owner["uid"])
        record = self._core.store.get(key) if key else None
        if record is None:
            return False
        meta = record.object["metadata"]
        return "deletionTimestamp" in meta and metadata.FOREGROUND in meta.get("finalizers", [])

    def _delete(self, record: Record, *, foreground: bool = False) -> None:
        finalizers: list[str] = record.object["metadata"].get("finalizers", [])
        has_dependents = record.object["metadata"]["uid"] in self._dependents
        if foreground and has_dependents and metadata.FOREGROUND not in finalizers:
            finalizers = [*finalizers, metadata.FOREGROUND]
        if not finalizers:
            self._core.store.delete(record.key)
            return
        deletion = {
            "finalizers": finalizers,
            "deletionTimestamp": metadata.timestamp(self._core.environment.now()),
            "deletionGracePeriodSeconds": 0,
        }
        self._core.store.put(record.key, _changed(record.object, deletion))

    def _finish(self, record: Record) -> None:
        """Do what the finalizers `orphan` and `foregroundDeletion` ask for, then remove them."""
        meta = record.object["metadata"]
        finalizers: list[str] = meta.get("finalizers", [])
        uid = meta["uid"]
        dependents = sorted(self._dependents.get(uid, ()))
        if metadata.ORPHAN in finalizers:
            for key in dependents:
                self._disown(key, uid)
            self._release(record, metadata.ORPHAN)
        elif metadata.FOREGROUND in finalizers:
            blocking = [key for key in dependents if self._blocks(key, uid)]
            self._suspects.extend(key for key in dependents if not self._is_going(key))
            if not blocking:
                self._release(record, metadata.FOREGROUND)

    def _is_going(self, key: Key) -> bool:
        record = self._core.store.get(key)
        return record is None or "deletionTimestamp" in record.object["metadata"]

    def _blocks(self, key: Key, owner: str) -> bool:
        record = self._core.store.get(key)
        if record is None:
            return False
        references: list[JsonObject] = record.object["metadata"].get("ownerReferences", [])
        return any(r.get("uid") == owner and r.get("blockOwnerDeletion") for r in references)

    def _disown(self, key: Key, owner: str) -> None:
        record = self._core.store.get(key)
        if record is not None:
            kept = [r for r in record.object["metadata"].get("ownerReferences", []) if r.get("uid") != owner]
            self._patch(record, ownerReferences=kept)

    def _release(self, record: Record, finalizer: str) -> None:
        current = self._core.store.get(record.key)
        if current is None:
            return
        kept = [name for name in current.object["metadata"].get("finalizers", []) if name != finalizer]
        if kept:
            self._patch(current, finalizers=kept)
        else:
            self._core.store.delete(current.key)

    def _patch(self, record: Record, **changes: Any) -> None:
        """Change metadata as a client's patch does; removed fields lose their managers."""
        new = _changed(record.object, changes)
        strategy = self._core.strategies[record.key.resource]
        managed_fields.track(
            new,
            record.object,
            node=strategy.node(strategy.info),
            blank=strategy.blank,
            untracked=strategy.untracked,
            manager=MANAGER,
            api_version=strategy.info.api_version,
            subresource="",
            now=metadata.timestamp(self._core.environment.now()),
        )
        self._core.store.put(record.key, new)


def _changed(obj: JsonObject, changes: JsonObject) -> JsonObject:
    """Return a copy with changed metadata; empty values are removed."""
    new = copied(obj)
    for name, value in changes.items():
        if value in ([], None):
            new["metadata"].pop(name, None)
        else:
            new["metadata"][name] = value
    return new


def _owners(obj: JsonObject) -> set[str]:
    return {owner["uid"] for owner in obj["metadata"].get("ownerReferences", ())}


def _gc_finalizers(obj: JsonObject) -> bool:
    meta = obj["metadata"]
    if "deletionTimestamp" not in meta:
        return False
    return metadata.ORPHAN in meta.get("finalizers", ()) or metadata.FOREGROUND in meta.get("finalizers", ())
