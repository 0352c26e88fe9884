"""Strategic merge patches, for built-in kinds.

Which lists are merged, and by which key, is in the schemas (`x-kubernetes-patch-strategy`,
`x-kubernetes-patch-merge-key`); for metadata it is here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.json_types import JsonObject

_METADATA: JsonObject = {
    "properties": {
        "finalizers": {"x-kubernetes-patch-strategy": "merge", "items": {"type": "string"}},
        "ownerReferences": {"x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "uid"},
    }
}
_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_ITEMS = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def merge(target: JsonObject, patch: JsonObject, schema: JsonObject) -> JsonObject:
    """Apply a patch to an object; `target` is changed in place.

    Raises:
        StatusError: A directive is invalid (500).
    """
    return _merge_fields(target, patch, schema, root=True)


def _merge_fields(target: JsonObject, patch: JsonObject, schema: JsonObject, *, root: bool = False) -> JsonObject:
    match patch.get(_DIRECTIVE):
        case None:
            pass
        case "replace":
            return {name: value for name, value in patch.items() if name != _DIRECTIVE}
        case "delete":
            return {}
        case "merge":
            pass
        case other:
            shown = " ".join(f"{name}:{value}" for name, value in sorted(patch.items()))
            raise errors.StatusError(500, "", message=f"unknown patch type: {other} in map: map[{shown}]")
    _retain(target, patch)
    for name, value in patch.items():
        if name in {_DIRECTIVE, _RETAIN} or name.startswith(_ORDER):
            continue
        if name.startswith(_DELETE_ITEMS):
            field = name.removeprefix(_DELETE_ITEMS)
            if field not in patch:
                _merge_field(target, field, [], patch, schema, root=root)
            continue
        _merge_field(target, name, value, patch, schema, root=root)
    return target


def _retain(target: JsonObject, patch: JsonObject) -> None:
    if _RETAIN in patch:
        for name in set(target) - set(_texts(patch[_RETAIN], "retainKeys")):
            del target[name]


def _texts(value: Any, what: str) -> list[str]:
    """Return the strings of a directive; where kube-apiserver does not check, it closes the connection."""
    if isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value)):
        return cast("list[str]", value)
    raise errors.bad_request(f"invalid patch format of {what}")


def _merge_field(
    target: JsonObject, name: str, value: Any, patch: JsonObject, schema: JsonObject, *, root: bool
) -> None:
    below = _METADATA if root and name == "metadata" else _schema_of(schema, name)
    if value is None:
        target.pop(name, None)
    elif isinstance(value, dict):
        current = target.get(name)
        base = cast("JsonObject", current) if isinstance(current, dict) else {}
        target[name] = _merge_fields(base, cast("JsonObject", value), below)
    elif isinstance(value, list) and below.get("x-kubernetes-patch-strategy") == "merge":
        current = cast("list[Any]", target.get(name) or [])
        merged = _merge_list(current, cast("list[Any]", value), name, patch, below)
        target[name] = merged
    else:
        target[name] = value


def _schema_of(schema: JsonObject, name: str) -> JsonObject:
    found = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
    return cast("JsonObject", found) if isinstance(found, dict) else {}


def _merge_list(current: list[Any], items: list[Any], name: str, patch: JsonObject, schema: JsonObject) -> list[Any]:
    key = schema.get("x-kubernetes-patch-merge-key", "")
    if not key:
        dropped = _texts(patch.get(f"{_DELETE_ITEMS}{name}", []), "primitive list")
        kept = [item for item in current if item not in dropped]
        merged = [*(item for item in items if item not in kept), *kept]
        return _in_order(merged, _texts(patch.get(f"{_ORDER}{name}", []), "setElementOrder list"), _itself)
    if not all(isinstance(item, dict) for item in [*current, *items]):
        return items
    if any(item.get(_DIRECTIVE) == "replace" for item in items):
        return [item for item in items if _DIRECTIVE not in item]
    result = list(current)
    added: list[Any] = []
    for item in items:
        _merge_item(result, added, item, key, schema.get("items", {}))
    # kube-apiserver puts new items before those that were there.
    result = [*added, *result]
    order = patch.get(f"{_ORDER}{name}")
    keys = [entry[key] for entry in order] if order else None

    def key_of(item: JsonObject) -> Any:
        return item.get(key)

    return _in_order(result, keys, key_of)


def _merge_item(result: list[Any], added: list[Any], item: JsonObject, key: str, schema: JsonObject) -> None:
    wanted = item.get(key)
    place = next((i for i, present in enumerate(result) if wanted is not None and present.get(key) == wanted), None)
    if item.get(_DIRECTIVE) == "delete":
        if place is not None:
            del result[place]
    elif place is None:
        added.append(_merge_fields({}, item, schema))
    else:
        result[place] = _merge_fields(result[place], item, schema)


def _itself(item: Any) -> Any:
    return item


def _in_order(items: list[Any], order: list[Any] | None, key: Callable[[Any], Any]) -> list[Any]:
    """Return items in the order that the patch asks for; others stay at the end."""
    if not order:
        return items
    rank = {value: index for index, value in enumerate(order)}
    return sorted(items, key=lambda item: rank.get(key(item), len(rank)))
