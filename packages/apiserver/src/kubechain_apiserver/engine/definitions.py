"""Keep the registry in step with the stored CustomResourceDefinitions."""

from __future__ import annotations

from kubechain_apiserver.engine.context import Core, copied
from kubechain_apiserver.kinds.builtin import crds
from kubechain_apiserver.merge import managed_fields
from kubechain_apiserver.schema import fieldsets
from kubechain_apiserver.schema.structural import compile_schema
from kubechain_apiserver.store.history import Change
from kubechain_apiserver.store.watch import Watchers
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import GroupResource


class Definitions:
    """Subscribes to the store, and registers or removes the resources of each definition."""

    def __init__(self, core: Core, watchers: Watchers) -> None:
        self._core = core
        self._watchers = watchers
        for record in core.store.scan(crds.INFO.storage_key):
            self._establish(record.object)
        core.store.subscribe(self._on_change)

    def _on_change(self, change: Change) -> None:
        if change.key.resource != crds.INFO.storage_key:
            return
        if change.deleted:
            self._remove(change.record.object)
        elif change.previous is None or change.previous.object["spec"] != change.record.object["spec"]:
            self._establish(change.record.object)
            resource = _resource(change.record.object)
            if change.previous is not None:
                self._normalize(resource)
            else:
                self._core.store.history.serve(resource, change.revision)
                self._core.store.rewrite(change.record, _with_status_managed(change.record.object))

        elif _is_terminating(change.record.object) and not _is_terminating(change.previous.object):
            crd = change.record.object
            self._core.registry.replace(_resource(crd), crds.served_infos(crd))

    def _establish(self, crd: JsonObject) -> None:
        strategy, served = crds.custom_strategy(crd)
        self._core.strategies[strategy.resource] = strategy
        self._core.registry.replace(strategy.resource, served)

    def _remove(self, crd: JsonObject) -> None:
        resource = _resource(crd)
        for record in self._core.store.scan(resource):
            self._core.store.delete(record.key)
        self._core.strategies.pop(resource, None)
        self._core.registry.replace(resource, [])
        self._watchers.close(resource)

    def _normalize(self, resource: GroupResource) -> None:
        """Prune and default stored objects by a changed schema, without a new revision."""
        strategy = self._core.strategies[resource]
        for record in self._core.store.scan(resource):
            obj = copied(record.object)
            strategy.decode(obj, strategy.info)
            strategy.drop_nulls(obj, strategy.info)
            obj["apiVersion"] = strategy.info.api_version
            if obj != record.object:
                self._core.store.rewrite(record, obj)


def _with_status_managed(crd: JsonObject) -> JsonObject:
    """Return the definition with a managedFields entry of kube-apiserver for its status."""
    fields, _ = fieldsets.compare({"acceptedNames": {}, "conditions": []}, crd["status"], _STATUS)
    own = {"manager": "kube-apiserver", "operation": "Update", "apiVersion": crd["apiVersion"]}
    written = {name: part for name, part in (fields or {}).items() if name != "f:storedVersions"}
    entry = managed_fields.make_entry(own, "status", {"f:status": written}, crd["metadata"]["creationTimestamp"])
    others = [e for e in crd["metadata"].get("managedFields", ()) if not managed_fields.is_by(e, own, "status")]
    entries = managed_fields.sort([*others, entry])
    return {**crd, "metadata": {**crd["metadata"], "managedFields": entries}}


_STATUS = compile_schema(
    {
        "type": "object",
        "properties": {
            "conditions": {
                "type": "array",
                "items": {"type": "object"},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            }
        },
    },
    root=False,
)


def _is_terminating(crd: JsonObject) -> bool:
    return "deletionTimestamp" in crd["metadata"]


def _resource(crd: JsonObject) -> GroupResource:
    return GroupResource(crd["spec"]["group"], crd["spec"]["names"]["plural"])
