"""Deletion: at once, or by setting the deletion timestamp of an object that has finalizers."""

from __future__ import annotations

from kubechain_apiserver.engine import admission
from kubechain_apiserver.engine.context import Core, copied
from kubechain_apiserver.engine.options import DeleteOptions, Preconditions, Propagation
from kubechain_apiserver.kinds import metadata
from kubechain_apiserver.store.storage import Record
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

_BY_GARBAGE_COLLECTOR = (metadata.ORPHAN, metadata.FOREGROUND)


class Deleter:
    """Deletes objects."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def delete(self, info: ResourceInfo, namespace: str, name: str, options: DeleteOptions) -> tuple[JsonObject, bool]:
        """Delete an object, or mark it if finalizers remain.

        Returns:
            The last or the present state of the object, and whether it is gone.
        """
        strategy = self._core.strategy(info)
        admission.check_delete(info, name)
        record = self._core.record(info, namespace, name)
        _check_preconditions(info, record, options.preconditions)
        begun = strategy.begin_deletion(record.object, metadata.timestamp(self._core.environment.now()))
        if begun is not None:
            return begun if options.dry_run else self._core.store.put(record.key, begun).object, False
        finalizers = _finalizers(record.object["metadata"], options.propagation)
        held = finalizers or strategy.holds_deletion(record.object)
        if not held:
            if options.dry_run:
                return record.object, True
            return self._core.store.delete(record.key).object, True
        return self._mark(record, finalizers, options), False

    def _mark(self, record: Record, finalizers: list[str], options: DeleteOptions) -> JsonObject:
        """Set the deletion timestamp; the owners of the finalizers do the rest."""
        strategy = self._core.strategies[record.key.resource]
        new = copied(record.object)
        meta = new["metadata"]
        if "deletionTimestamp" not in meta:
            meta["deletionTimestamp"] = metadata.timestamp(self._core.environment.now())
            if meta.get("generation", 0) > 0:
                meta["generation"] += 1
        meta["deletionGracePeriodSeconds"] = 0
        if finalizers:
            meta["finalizers"] = finalizers
        else:
            meta.pop("finalizers", None)
        strategy.mark_deleting(new)
        if new == record.object:
            return record.object
        return new if options.dry_run else self._core.store.put(record.key, new).object


def _check_preconditions(info: ResourceInfo, record: Record, wanted: Preconditions) -> None:
    meta = record.object["metadata"]
    if wanted.uid and wanted.uid != meta["uid"]:
        why = (
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({meta['uid']}). "
            "The object might have been deleted and then recreated"
        )
        raise errors.conflict(info.group, info.kind, record.key.name, why=why)
    if wanted.resource_version and wanted.resource_version != str(record.revision):
        why = (
            f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match the "
            f"ResourceVersion in record ({record.revision}). The object might have been modified"
        )
        raise errors.conflict(info.group, info.kind, record.key.name, why=why)


def _finalizers(meta: JsonObject, propagation: Propagation | None) -> list[str]:
    """Return the finalizers at the start of the deletion; the propagation policy adds or removes the collector's."""
    present: list[str] = meta.get("finalizers", [])
    if propagation is None:
        return list(present)
    kept = [name for name in present if name not in _BY_GARBAGE_COLLECTOR]
    match propagation:
        case "Orphan":
            return [*kept, metadata.ORPHAN]
        case "Foreground":
            return [*kept, metadata.FOREGROUND]
        case "Background":
            return kept
