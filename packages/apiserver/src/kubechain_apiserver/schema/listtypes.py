"""Uniqueness in sets and list maps (`x-kubernetes-list-type`)."""

from __future__ import annotations

from typing import Any, cast

from kubechain_apiserver.schema.structural import Node
from kubechain_apiserver.wire.field_errors import FieldError, duplicate, go_json
from kubechain_apiserver.wire.json_types import JsonObject


def check(value: Any, node: Node, path: str = "") -> list[FieldError]:
    """Return the errors of duplicate items at `path` and below."""
    if not node.has_sets:
        return []
    match value:
        case dict():
            return _check_fields(value, node, path)  # pyright: ignore[reportUnknownArgumentType]
        case list():
            return _check_list(value, node, path)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return []


def _check_fields(value: JsonObject, node: Node, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for name in sorted(value):
        below = node.properties.get(name, node.additional)
        if isinstance(below, Node):
            keyed = name not in node.properties
            here = f"{path}[{name}]" if keyed else f"{path}.{name}" if path else name
            found += check(value[name], below, here)
    return found


def _check_list(value: list[Any], node: Node, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if node.list_type == "set" and not _differ(value):
        found += _doubles([(go_json(item), item) for item in value], path)
    elif node.list_type == "map" and node.items is not None:
        entries = [cast("JsonObject", item) for item in value if isinstance(item, dict)]
        if not _differ([tuple(map(entry.get, node.map_keys)) for entry in entries]):
            keys = [{k: entry[k] for k in node.map_keys if k in entry} for entry in entries]
            found += _doubles([(go_json(key), key) for key in keys], path)
    if node.items is not None:
        for index, item in enumerate(value):
            found += check(item, node.items, f"{path}[{index}]")
    return found


def _differ(values: list[Any]) -> bool:
    """Whether all values differ for certain, computed quickly: Python equality is wider than that of JSON."""
    try:
        return len(set(values)) == len(values)
    except TypeError:
        return False


def _doubles(entries: list[tuple[str, Any]], path: str) -> list[FieldError]:
    seen: set[str] = set()
    reported: set[str] = set()
    found: list[FieldError] = []
    for index, (key, shown) in enumerate(entries):
        if key in seen and key not in reported:
            reported.add(key)
            found.append(duplicate(f"{path}[{index}]", shown))
        seen.add(key)
    return found
