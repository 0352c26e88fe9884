"""Server-side apply: computes the new object and its `managedFields`; `engine.patching` writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from kubechain_apiserver.merge import managed_fields
from kubechain_apiserver.schema import fieldsets
from kubechain_apiserver.schema.fieldsets import FieldSet
from kubechain_apiserver.schema.structural import Node
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.errors import Cause
from kubechain_apiserver.wire.json_types import JsonObject


@dataclass(frozen=True, slots=True)
class Manager:
    """The manager that applies, the version of its configuration, and the subresource."""

    name: str
    api_version: str
    subresource: str = ""

    @property
    def own(self) -> JsonObject:
        """Return the identifying fields of its managedFields entry."""
        return {"manager": self.name, "operation": "Apply", "apiVersion": self.api_version}


def apply(live: JsonObject, config: JsonObject, *, node: Node, manager: Manager, force: bool, now: str) -> JsonObject:
    """Return the object after the configuration is applied, with its `managedFields`.

    Args:
        live: The present object; of a new one only `metadata` and the fields that identify it.

    Raises:
        StatusError: Other managers own fields that would change, and `force` is not set (409).
    """
    entries: list[JsonObject] = live["metadata"].get("managedFields", [])
    others = [entry for entry in entries if not _is_own(entry, manager)]
    previous = _all_fields([entry for entry in entries if _is_own(entry, manager)])
    wanted = managed_fields.strip(fieldsets.of_applied(config, node))
    merged = cast("JsonObject", merge(live, config, node))
    kept = _all_fields([*others, {"fieldsV1": wanted}])
    new = cast("JsonObject", _prune(merged, previous, kept, node))
    new.setdefault("metadata", {})
    changed, removed = fieldsets.compare(live, new, node)
    changed = managed_fields.strip(changed or {})
    if not force:
        _check_conflicts(others, changed)
    own = managed_fields.make_entry(manager.own, manager.subresource, wanted, now)
    rest = _others_after(others, changed, managed_fields.strip(removed or {}))
    result = managed_fields.sort([*rest, own] if wanted else rest)
    new["metadata"] = {**new["metadata"], "managedFields": result}
    return new


def _is_own(entry: JsonObject, manager: Manager) -> bool:
    own = {"manager": manager.name, "operation": "Apply"}
    return managed_fields.is_by(entry, own, manager.subresource)


def _all_fields(entries: list[JsonObject]) -> FieldSet:
    result: FieldSet = {}
    for entry in entries:
        result = fieldsets.root_union(result, entry["fieldsV1"])
    return result


def _others_after(others: list[JsonObject], changed: FieldSet, removed: FieldSet) -> list[JsonObject]:
    result: list[JsonObject] = []
    for entry in others:
        rest = fieldsets.root_difference(entry["fieldsV1"], changed)
        rest = fieldsets.root_difference(rest, removed)
        if rest:
            result.append({**entry, "fieldsV1": rest})
    return result


def merge(live: Any, config: Any, node: Node | None) -> Any:
    """Merge the configuration into the present state."""
    if not fieldsets.is_granular(config, node):
        return config
    if isinstance(config, dict) and isinstance(live, dict):
        return _merge_maps(cast("JsonObject", live), cast("JsonObject", config), node)
    if isinstance(config, list) and isinstance(live, list):
        return _merge_lists(cast("list[Any]", live), cast("list[Any]", config), node)
    return cast("Any", config)


def _merge_maps(live: JsonObject, config: JsonObject, node: Node | None) -> JsonObject:
    result = dict(live)
    for name, value in config.items():
        result[name] = merge(live[name], value, fieldsets.below(node, name)) if name in live else value
    return result


def _merge_lists(live: list[Any], config: list[Any], node: Node | None) -> list[Any]:
    """Merge sets and associative lists: items are matched by value or key, and new ones are appended."""
    schema = node.items if node else None
    wanted = {fieldsets.element_of(item, node): item for item in config}
    result: list[Any] = []
    for item in live:
        element = fieldsets.element_of(item, node)
        result.append(merge(item, wanted.pop(element), schema) if element in wanted else item)
    return [*result, *wanted.values()]


def _prune(value: Any, previous: FieldSet, kept: FieldSet, node: Node | None) -> Any:
    """Remove fields that were applied before, are not applied any more, and have no other manager."""
    if not previous or not fieldsets.is_granular(value, node):
        return value
    left: list[tuple[str, Any]] = []
    for element, item, schema in fieldsets.children(value, node):
        if element not in previous:
            left.append((element, item))
        elif element in kept:
            left.append((element, _prune(item, previous[element], kept[element], schema)))
        elif not fieldsets.is_member(previous[element]):
            rest = _prune(item, previous[element], {}, schema)
            if rest not in ({}, []):
                left.append((element, rest))
    return {element[2:]: item for element, item in left} if isinstance(value, dict) else [item for _, item in left]


def _check_conflicts(others: list[JsonObject], changed: FieldSet) -> None:
    found = [(entry, path) for entry in others for path in fieldsets.common(entry["fieldsV1"], changed)]
    if not found:
        return
    causes = [Cause("FieldManagerConflict", f"conflict with {_shown(entry)}", path) for entry, path in found]
    if len(found) == 1:
        entry, path = found[0]
        text = f"Apply failed with 1 conflict: conflict with {_shown(entry)}: {path}"
        raise errors.apply_conflict(causes, message=text)
    lines: list[str] = []
    for name in sorted({_shown(entry) for entry, _ in found}):
        lines.append(f"conflicts with {name}:")
        lines += [f"- {path}" for entry, path in found if _shown(entry) == name]
    text = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    raise errors.apply_conflict(causes, message=text)


def _shown(entry: JsonObject) -> str:
    text = f'"{entry.get("manager", "")}"'
    if entry.get("subresource"):
        text = f'{text} with subresource "{entry["subresource"]}"'
    if entry["operation"] != "Update":
        return text
    return f"{text} using {entry['apiVersion']}"
