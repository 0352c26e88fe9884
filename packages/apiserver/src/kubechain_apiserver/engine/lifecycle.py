"""Namespaces: creates the initial ones, and empties those that are being deleted.

It does what the namespace controller of kube-controller-manager does, after the request that deleted the namespace.
"""

from __future__ import annotations

from kubechain_apiserver.engine.admission import NAMESPACES
from kubechain_apiserver.engine.context import Core, copied
from kubechain_apiserver.engine.deletion import Deleter
from kubechain_apiserver.engine.options import DeleteOptions, WriteOptions
from kubechain_apiserver.engine.writes import Writer
from kubechain_apiserver.kinds import metadata
from kubechain_apiserver.kinds.builtin import namespaces
from kubechain_apiserver.store.history import Change
from kubechain_apiserver.store.storage import Key, Record

_AS_CONTROLLER = WriteOptions(field_manager="kube-controller-manager")


class NamespaceLifecycle:
    """Deletes the content of terminating namespaces, then the namespaces."""

    def __init__(self, core: Core, writer: Writer, deleter: Deleter) -> None:
        self._core = core
        self._writer = writer
        self._deleter = deleter
        self._terminating = {
            record.key.name
            for record in core.store.scan(NAMESPACES)
            if "deletionTimestamp" in record.object["metadata"]
        }
        self._dirty = bool(self._terminating)
        core.store.subscribe(self._on_change)

    def make_initial(self) -> None:
        """Create the namespaces that every cluster has."""
        for name in namespaces.AT_START:
            if self._core.store.get(Key(NAMESPACES, "", name)) is None:
                self._writer.create(namespaces.INFO, "", {"metadata": {"name": name}}, WriteOptions())

    def _on_change(self, change: Change) -> None:
        if change.key.resource == NAMESPACES:
            if change.deleted:
                self._terminating.discard(change.key.name)
            elif "deletionTimestamp" in change.record.object["metadata"]:
                self._terminating.add(change.key.name)
                self._dirty = True
        elif change.key.namespace in self._terminating:
            self._dirty = True

    def collect(self) -> bool:
        """Process terminating namespaces; returns whether there was anything to process."""
        if not self._dirty:
            return False
        self._dirty = False
        for name in sorted(self._terminating):
            record = self._core.store.get(Key(NAMESPACES, "", name))
            if record is not None and record.object["spec"].get("finalizers"):
                self._empty(name)
                self._update_conditions(name)
            self._finalize(name)
        return True

    def _empty(self, namespace: str) -> None:
        for info in self._core.registry.all():
            if not info.namespaced or info.stored_as.plural:
                continue
            for record in self._core.store.scan(info.storage_key, namespace):
                if "deletionTimestamp" not in record.object["metadata"]:
                    self._deleter.delete(info, namespace, record.key.name, DeleteOptions(propagation="Background"))

    def _update_conditions(self, name: str) -> None:
        """Write the conditions that tell why a terminating namespace still exists."""
        record = self._core.record(namespaces.INFO, "", name)
        remaining = {
            str(resource): [_finalizers(one) for one in found]
            for resource in {info.storage_key for info in self._core.registry.all() if info.namespaced}
            if (found := self._core.store.scan(resource, name))
        }
        now = metadata.timestamp(self._core.environment.now())
        status = namespaces.with_conditions(record.object["status"], remaining, now)
        if status != record.object["status"]:
            new = {**record.object, "status": status}
            self._writer.update(namespaces.INFO, "", name, new, subresource="status", options=_AS_CONTROLLER)

    def _finalize(self, name: str) -> None:
        resources = [info for info in self._core.registry.all() if info.namespaced]
        left = any(self._core.store.scan(info.storage_key, name) for info in resources)
        record = self._core.store.get(Key(NAMESPACES, "", name))
        if left or record is None:
            return
        remaining = [f for f in record.object["spec"].get("finalizers", []) if f != namespaces.FINALIZER]
        new = copied(record.object)
        new["spec"] = {"finalizers": remaining} if remaining else {}
        if remaining or metadata.of(new).get("finalizers"):
            if new != record.object:
                self._core.store.put(record.key, new)
        else:
            self._core.store.delete(record.key)


def _finalizers(record: Record) -> list[str]:
    return record.object["metadata"].get("finalizers") or []
