"""Type errors of built-in kinds, which kube-apiserver finds while it decodes JSON into Go structs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from kubechain.embedded import fieldsets, gotext
from kubechain.embedded.gojson import json_type
from kubechain.embedded.metadata import cannot_be_handled
from kubechain.embedded.registry import ResourceInfo
from kubechain.embedded.schema.formats import holds
from kubechain.embedded.schema.structural import Node

JsonObject = dict[str, Any]

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "object": (dict,),
    "array": (list,),
}
_STRUCTS = {
    "conditions": "NamespaceCondition",
    "imagePullSecrets": "LocalObjectReference",
    "versions": "CustomResourceDefinitionVersion",
    **dict.fromkeys(("involvedObject", "regarding", "related", "secrets"), "ObjectReference"),
    **dict.fromkeys(("deprecatedSource", "source"), "EventSource"),
}
"""Structs of nested fields whose names are not those of kind and field, as `LeaseSpec` is."""
_MICRO_TIMES = frozenset({"acquireTime", "eventTime", "lastObservedTime", "renewTime"})


def check(obj: JsonObject, node: Node, info: ResourceInfo) -> None:
    """Look at the fields of a kind.

    Raises:
        StatusError: a value has a type that its field cannot hold (400).
    """
    for name, below in node.properties.items():
        if name in obj and name not in {"metadata", "apiVersion", "kind"}:
            _check_value(obj[name], below, name, info)


def _check_value(value: Any, node: Node, path: str, info: ResourceInfo) -> None:
    if value is None or not node.type:
        return
    if not _fits(value, node):
        place = f"{_struct(path.rpartition('.')[0], info)}.{path}"
        wanted = _go_type(node, f"v1.{_struct(path, info)}")
        text = f"json: cannot unmarshal {json_type(value)} into Go struct field {place} of type {wanted}"
        raise cannot_be_handled(info, text)
    if isinstance(value, str):
        _check_time(value, node, path, info)
    elif isinstance(value, dict):
        for name, item in cast("JsonObject", value).items():
            below = node.properties.get(name, node.additional)
            if isinstance(below, Node):
                here = path if below is node.additional else f"{path}.{name}"
                _check_value(item, below, here, info)
    elif isinstance(value, list) and node.items is not None:
        for item in cast("list[Any]", value):
            _check_value(item, node.items, path, info)


def _struct(path: str, info: ResourceInfo) -> str:
    """The name of the struct at a path."""
    field = path.rpartition(".")[2]
    return _STRUCTS.get(field) or f"{info.kind}{field[:1].upper()}{field[1:]}"


def _fits(value: Any, node: Node) -> bool:
    return isinstance(value, _PYTHON_TYPES[node.type]) and not (node.type == "integer" and isinstance(value, bool))


def restoring(value: Any, node: Node | None) -> str:
    """What kube-apiserver says of the first value that a field cannot hold, after a strategic merge patch; "" for none.

    There it does not decode JSON, but copies maps into structs.
    """
    if value is None or node is None or not node.type:
        return ""
    if not _fits(value, node):
        return _cannot_restore(value, node)
    below: Iterable[tuple[Any, Node | None]] = ()
    if isinstance(value, dict):
        below = ((item, fieldsets.below(node, name)) for name, item in cast("JsonObject", value).items())
    elif isinstance(value, list):
        below = ((item, node.items) for item in cast("list[Any]", value))
    return next((text for item, schema in below if (text := restoring(item, schema))), "")


def _cannot_restore(value: Any, node: Node) -> str:
    kind = gotext.kind_of(value)
    match node.type:
        case "object" if isinstance(node.additional, Node):
            return f"cannot restore map from {kind}"
        case "object":
            return f"cannot restore struct from: {kind}"
        case "array":
            return f"cannot restore slice from {kind}"
        case "string" if kind == "int64":
            return f"cannot convert int64 to {_go_type(node)}"
        case _:
            return f"unrecognized type: {_go_type(node)}"


def _check_time(value: str, node: Node, path: str, info: ResourceInfo) -> None:
    if node.raw.get("format") == "date-time" and not holds("date-time", value):
        fraction = ".000000" if path.rpartition(".")[2] in _MICRO_TIMES else ""
        layout = f"2006-01-02T15:04:05{fraction}Z07:00"
        raise cannot_be_handled(info, f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"')


def _go_type(node: Node, struct: str = "struct") -> str:
    match node.type:
        case "object" if isinstance(node.additional, Node):
            return f"map[string]{_go_type(node.additional, struct)}"
        case "object":
            return struct
        case "array" if node.items is not None:
            return f"[]{_go_type(node.items, struct)}"
        case "string" if node.raw.get("format") == "byte":
            return "[]uint8"
        case "boolean":
            return "bool"
        case "integer":
            return node.raw.get("format", "int64")
        case other:
            return other
