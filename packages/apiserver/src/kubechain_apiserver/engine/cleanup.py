"""Deletion of CustomResourceDefinitions: a definition stays until the last of its objects is gone.

This is what the controller `crd_finalizer` of apiextensions-apiserver does. It runs after the request that deleted the
definition or removed the last finalizer of an object.
"""

from __future__ import annotations

from kubechain_apiserver.engine.context import Core
from kubechain_apiserver.engine.deletion import Deleter
from kubechain_apiserver.engine.options import DeleteOptions, WriteOptions
from kubechain_apiserver.engine.writes import Writer
from kubechain_apiserver.kinds import metadata
from kubechain_apiserver.kinds.builtin import crds
from kubechain_apiserver.store.history import Change
from kubechain_apiserver.store.storage import Key, Record
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import GroupResource

_AS_SERVER = WriteOptions(field_manager="kube-apiserver")


class DefinitionCleanup:
    """Deletes the objects of terminating definitions, then removes the cleanup finalizer."""

    def __init__(self, core: Core, writer: Writer, deleter: Deleter) -> None:
        self._core = core
        self._writer = writer
        self._deleter = deleter
        self._terminating: dict[GroupResource, Key] = {}
        for record in core.store.scan(crds.INFO.storage_key):
            self._consider(record)
        self._dirty = bool(self._terminating)
        core.store.subscribe(self._on_change)

    def _consider(self, record: Record) -> bool:
        crd = record.object
        if "deletionTimestamp" not in crd["metadata"]:
            return False
        self._terminating[_resource(crd)] = record.key
        return True

    def _on_change(self, change: Change) -> None:
        if change.key.resource != crds.INFO.storage_key:
            self._dirty = self._dirty or change.key.resource in self._terminating
        elif change.deleted:
            self._terminating.pop(_resource(change.record.object), None)
        elif self._consider(change.record):
            self._dirty = True

    def collect(self) -> bool:
        """Process terminating definitions; returns whether there was anything to process."""
        if not self._dirty:
            return False
        self._dirty = False
        for resource, key in sorted(self._terminating.items()):
            record = self._core.store.get(key)
            if record is not None and crds.CLEANUP_FINALIZER in record.object["metadata"].get("finalizers", ()):
                self._delete_objects(resource, key)
        return True

    def _delete_objects(self, resource: GroupResource, key: Key) -> None:
        self._set_condition("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress", key)
        info = self._core.strategies[resource].info
        for record in self._core.store.scan(resource):
            if "deletionTimestamp" not in record.object["metadata"]:
                self._deleter.delete(info, record.key.namespace, record.key.name, DeleteOptions())
        if not self._core.store.scan(resource):
            self._remove_finalizer(key)

    def _remove_finalizer(self, key: Key) -> None:
        """Remove the cleanup finalizer; without other finalizers the definition is deleted."""
        crd = self._core.record(crds.INFO, "", key.name).object
        finalizers = [name for name in crd["metadata"]["finalizers"] if name != crds.CLEANUP_FINALIZER]
        if finalizers:
            self._core.store.put(key, {**crd, "metadata": {**crd["metadata"], "finalizers": finalizers}})
            self._set_condition("False", "InstanceDeletionCompleted", "removed all instances", key)
        else:
            self._core.store.delete(key)

    def _set_condition(self, value: str, reason: str, message: str, key: Key) -> None:
        """Set the condition `Terminating`."""
        crd = self._core.record(crds.INFO, "", key.name).object
        now = metadata.timestamp(self._core.environment.now())
        new = {**crd, "status": crds.with_condition(crd["status"], value, reason, message, now)}
        self._writer.update(crds.INFO, "", key.name, new, subresource="status", options=_AS_SERVER)


def _resource(crd: JsonObject) -> GroupResource:
    return GroupResource(crd["spec"]["group"], crd["spec"]["names"]["plural"])
