"""Type errors of built-in kinds, which kube-apiserver finds while it decodes JSON into Go structs."""

from __future__ import annotations

from typing import Any, cast

from kubechain.embedded.metadata import cannot_be_handled, json_type
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
_MICRO_TIMES = frozenset({"acquireTime", "eventTime", "lastObservedTime", "renewTime"})


def check(obj: JsonObject, node: Node, info: ResourceInfo) -> None:
    """Look at the fields of a kind.

    Raises:
        StatusError: a value has a type that its field cannot hold (400).
    """
    for name, below in node.properties.items():
        if name in obj and name not in {"metadata", "apiVersion", "kind"}:
            _check_value(obj[name], below, f"{info.kind}.{name}", info)


def _check_value(value: Any, node: Node, path: str, info: ResourceInfo) -> None:
    if value is None or not node.type:
        return
    fits = isinstance(value, _PYTHON_TYPES[node.type]) and not (node.type == "integer" and isinstance(value, bool))
    if not fits:
        text = f"json: cannot unmarshal {json_type(value)} into Go struct field {path} of type {_go_type(node)}"
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


def _check_time(value: str, node: Node, path: str, info: ResourceInfo) -> None:
    if node.raw.get("format") == "date-time" and not holds("date-time", value):
        fraction = ".000000" if path.rpartition(".")[2] in _MICRO_TIMES else ""
        layout = f"2006-01-02T15:04:05{fraction}Z07:00"
        raise cannot_be_handled(info, f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"')


def _go_type(node: Node) -> str:
    match node.type:
        case "object" if isinstance(node.additional, Node):
            return f"map[string]{_go_type(node.additional)}"
        case "object":
            return "struct"
        case "array" if node.items is not None:
            return f"[]{_go_type(node.items)}"
        case "string" if node.raw.get("format") == "byte":
            return "[]uint8"
        case "boolean":
            return "bool"
        case "integer":
            return node.raw.get("format", "int64")
        case other:
            return other
