"""Type check of an applied configuration against its schema, with the messages of structured-merge-diff.

Server-side apply needs it: a list map cannot be merged if an item has no key, or two have the same.
"""

from __future__ import annotations

from typing import Any, cast

from kubechain_apiserver.schema import fieldsets
from kubechain_apiserver.schema.structural import Node
from kubechain_apiserver.wire.gotext import plain, syntax, type_of
from kubechain_apiserver.wire.json_types import JsonObject

_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int, float),
    "number": (int, float),
}


def conforms(value: Any, node: Node | None) -> bool:
    """Whether `check` would find no error, computed quickly."""
    if value is None or node is None or not node.type:
        return True
    match node.type:
        case "object":
            return isinstance(value, dict) and _fields_conform(cast("JsonObject", value), node)
        case "array":
            return isinstance(value, list) and _items_conform(cast("list[Any]", value), node)
        case _:
            return isinstance(value, _SCALARS[node.type]) and (type(value) is not bool or node.type == "boolean")


def _fields_conform(value: JsonObject, node: Node) -> bool:
    for name, item in value.items():
        below = node.properties.get(name) or fieldsets.below(node, name)
        if not (conforms(item, below) if below is not None else _may_have(name, node)):
            return False
    return True


def _items_conform(value: list[Any], node: Node) -> bool:
    if node.items is not None and not all(conforms(item, node.items) for item in value):
        return False
    if node.list_type == "atomic":
        return True
    if any(_no_element(item, node) for item in value):
        return False
    try:
        elements = {item if node.list_type == "set" else _key(item, node) for item in value}
    except TypeError:
        return False
    # True and 1 are different elements, though equal in Python: `check` looks closer then.
    return len(elements) == len(value)


def _key(item: JsonObject, node: Node) -> Any:
    return tuple(item[name] if name in item else fieldsets.default_key(node, name) for name in node.map_keys)


def check(value: Any, node: Node | None, path: str = "") -> list[str]:
    """Return the errors of a value at `path`; of an unknown field only, if there is one."""
    if value is None or node is None or not node.type:
        return []
    match node.type:
        case "object" if isinstance(value, dict):
            return _fields(cast("JsonObject", value), node, path)
        case "array" if isinstance(value, list):
            return _items(cast("list[Any]", value), node, path)
        case _:
            return _scalar(value, node, path)


def _at(path: str, text: str) -> list[str]:
    return [f"{path}: {text}" if path else text]


def _scalar(value: Any, node: Node, path: str) -> list[str]:
    match node.type:
        case "string" if not isinstance(value, str):
            return _at(path, f"expected string, got &value.valueUnstructured{{Value:{syntax(value)}}}")
        case "boolean" if not isinstance(value, bool):
            return _at(path, f"expected boolean, got &{{{plain(value)}}}")
        case "integer" | "number" if isinstance(value, bool) or not isinstance(value, int | float):
            return _at(path, f"expected numeric (int or float), got {type_of(value)}")
        case "object":
            return _at(path, f"expected map, got &{{{plain(value)}}}")
        case "array":
            return _at(path, f"expected list, got &{{{plain(value)}}}")
        case _:
            return []


def _fields(value: JsonObject, node: Node, path: str) -> list[str]:
    found: list[str] = []
    for name, item in value.items():
        below = fieldsets.below(node, name)
        if below is not None:
            found += check(item, below, f"{path}.{name}")
        elif not _may_have(name, node):
            return [*found, *_at(f"{path}.{name}", "field not declared in schema")]
    return found


def _may_have(name: str, node: Node) -> bool:
    return node.preserve or node.additional is True or (node.embedded and name in {"apiVersion", "kind"})


def _items(value: list[Any], node: Node, path: str) -> list[str]:
    found: list[str] = []
    seen: set[str] = set()
    for index, item in enumerate(value):
        place = f"[{index}]"
        if node.list_type in {"map", "set"}:
            if why := _no_element(item, node):
                return [*found, *_at(path, f"element {index}: {why}")]
            element = fieldsets.element_of(item, node)
            place = fieldsets.shown(element)
            if element in seen:
                found += _at(path, f"duplicate entries for key {place}")
            seen.add(element)
        found += check(item, node.items, path + place)
    return found


def _no_element(item: Any, node: Node) -> str:
    """Return why an item has no identity in its list."""
    if node.list_type == "set":
        alone = "associative list without keys has an element that's"
        match item:
            case dict():
                return f"{alone} a map type"
            case list():
                return "not supported: associative list with lists as elements"
            case None:
                return f"{alone} an explicit null"
            case _:
                return ""
    if item is None:
        return "associative list with keys may not have a null element"
    if not isinstance(item, dict):
        return "associative list with keys may not have non-map elements"
    if any(key in item or fieldsets.default_key(node, key) is not None for key in node.map_keys):
        return ""
    keys = " ".join(syntax(key) for key in node.map_keys)
    without = "(and doesn't have default values for any key fields)"
    return f"associative list with keys has an element that omits all key fields [{keys}] {without}"
