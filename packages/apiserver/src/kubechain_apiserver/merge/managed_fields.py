"""`metadata.managedFields`: which manager owns which field, updated on every write.

An update takes over the fields that it changes, and removes deleted fields from all entries. Server-side apply is in
`apply`.
"""

from __future__ import annotations

from kubechain_apiserver.schema import fieldsets
from kubechain_apiserver.schema.fieldsets import FieldSet
from kubechain_apiserver.schema.structural import Node
from kubechain_apiserver.wire.json_types import JsonObject

UNTRACKED = {
    "f:name",
    "f:namespace",
    "f:creationTimestamp",
    "f:selfLink",
    "f:uid",
    "f:generation",
    "f:managedFields",
    "f:resourceVersion",
}
"""Fields of metadata that have no manager."""

UPDATE_LIMIT = 10
"""Entries of updates that are kept apart; older ones are merged, as in kube-apiserver."""

ANCIENT = "ancient-changes"


def track(
    new: JsonObject,
    old: JsonObject | None,
    *,
    node: Node,
    blank: JsonObject,
    untracked: tuple[str, ...],
    manager: str,
    api_version: str,
    subresource: str,
    now: str,
) -> None:
    """Update `managedFields` of `new` after an update by `manager`, in place.

    Args:
        blank: Fields that every object of the kind has from the start, which its creator does not manage.
        untracked: Fields that the server sets.
    """
    before = _entries_before(new, old, subresource)
    before_it = blank if old is None else old
    changed, removed = fieldsets.compare(_without_fields(before_it, untracked), _without_fields(new, untracked), node)
    changed = strip(changed or {})
    removed = strip(removed or {})
    entries = _without(before, changed, removed)
    if changed:
        own = {"manager": manager, "operation": "Update", "apiVersion": api_version}
        _add(entries, own, subresource, changed, now)
    entries = _capped(entries)
    if entries:
        new["metadata"]["managedFields"] = entries
    else:
        new["metadata"].pop("managedFields", None)


def _entries_before(new: JsonObject, old: JsonObject | None, subresource: str) -> list[JsonObject]:
    """Return the entries to continue from: a writer may replace them, or reset them with an empty one.

    A client that sends no entries or invalid ones does not lose them.
    """
    present: list[JsonObject] = old["metadata"].get("managedFields", []) if old else []
    given: list[JsonObject] = new["metadata"].get("managedFields", [])
    if subresource or not given or given == present:
        return present
    if given == [{}]:
        return []
    return given if all(map(_is_whole, given)) else present


def _is_whole(entry: JsonObject) -> bool:
    known = entry.get("operation") in {"Apply", "Update"} and entry.get("fieldsType") == "FieldsV1"
    return known and bool(entry.get("apiVersion")) and fieldsets.is_set(entry.setdefault("fieldsV1", {}))


def _without_fields(obj: JsonObject, names: tuple[str, ...]) -> JsonObject:
    return {name: value for name, value in obj.items() if name not in names}


def strip(found: FieldSet) -> FieldSet:
    """Remove fields without a manager from a set."""
    result = {element: part for element, part in found.items() if element not in {"f:apiVersion", "f:kind"}}
    meta = result.pop("f:metadata", None)
    if meta:
        kept = {e: part for e, part in meta.items() if e not in UNTRACKED and e != fieldsets.MEMBER}
        if kept:
            result["f:metadata"] = kept
    return result


def _without(entries: list[JsonObject], changed: FieldSet, removed: FieldSet) -> list[JsonObject]:
    """Return all entries without fields that another manager changed or that were removed."""
    result: list[JsonObject] = []
    for entry in entries:
        rest = fieldsets.root_difference(entry["fieldsV1"], changed) if changed else entry["fieldsV1"]
        rest = fieldsets.root_difference(rest, removed) if removed else rest
        if rest:
            result.append(entry if rest == entry["fieldsV1"] else {**entry, "fieldsV1": rest})
    return result


def _add(entries: list[JsonObject], own: JsonObject, subresource: str, fields: FieldSet, now: str) -> None:
    for index, entry in enumerate(entries):
        if is_by(entry, own, subresource):
            merged = fieldsets.root_union(entry["fieldsV1"], fields)
            entries[index] = {**entry, "time": now, "fieldsV1": fieldsets.ordered(merged)}
            break
    else:
        entries.append(make_entry(own, subresource, fields, now))
    entries.sort(key=_order)


def make_entry(own: JsonObject, subresource: str, fields: FieldSet, now: str) -> JsonObject:
    """Return an entry of `managedFields`."""
    entry = {**own, "time": now, "fieldsType": "FieldsV1", "fieldsV1": fieldsets.ordered(fields)}
    return {**entry, "subresource": subresource} if subresource else entry


def is_by(entry: JsonObject, own: JsonObject, subresource: str) -> bool:
    """Whether an entry has this manager, operation, version and subresource."""
    same = all(entry.get(name) == value for name, value in own.items())
    return same and entry.get("subresource", "") == subresource


def _order(entry: JsonObject) -> tuple[bool, str, str]:
    return entry["operation"] != "Apply", entry.get("time", ""), entry.get("manager", "")


def _capped(entries: list[JsonObject]) -> list[JsonObject]:
    """Merge the oldest entries of updates if there are too many."""
    updates = [entry for entry in entries if entry["operation"] == "Update"]
    excess = len(updates) - UPDATE_LIMIT
    if excess <= 0:
        return entries
    oldest = updates[: excess + 1]
    merged: FieldSet = {}
    for entry in oldest:
        merged = fieldsets.root_union(merged, entry["fieldsV1"])
    last = oldest[-1]
    own = {"manager": ANCIENT, "operation": "Update", "apiVersion": last["apiVersion"]}
    kept = [entry for entry in entries if entry not in oldest]
    return sorted([make_entry(own, "", merged, last["time"]), *kept], key=_order)


def sort(entries: list[JsonObject]) -> list[JsonObject]:
    """Return entries in the order in which they are stored."""
    return sorted(entries, key=_order)


def equal_but_for_times(new: JsonObject, old: JsonObject) -> bool:
    """Whether two objects differ at most in the times of `managedFields`."""
    if new == old:
        return True
    return _timeless(new) == _timeless(old)


def _timeless(obj: JsonObject) -> JsonObject:
    meta = obj["metadata"]
    entries = [{**entry, "time": ""} for entry in meta.get("managedFields", ())]
    return {**obj, "metadata": {**meta, "managedFields": entries}}
