"""Type errors of built-in kinds, metadata and options, as Go's JSON decoder reports them for structs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

from kubechain_apiserver.schema import fieldsets
from kubechain_apiserver.schema.formats import holds
from kubechain_apiserver.schema.structural import Node
from kubechain_apiserver.wire import gotext
from kubechain_apiserver.wire.errors import cannot_be_handled
from kubechain_apiserver.wire.gojson import json_type
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

_PYTHON_TYPES: dict[str, type] = {"string": str, "boolean": bool, "integer": int, "object": dict, "array": list}
_STRUCTS = {
    "conditions": "NamespaceCondition",
    "imagePullSecrets": "LocalObjectReference",
    "managedFields": "ManagedFieldsEntry",
    "metadata": "ObjectMeta",
    "ownerReferences": "OwnerReference",
    "preconditions": "Preconditions",
    "additionalPrinterColumns": "CustomResourceColumnDefinition",
    "clientConfig": "WebhookClientConfig",
    "conversion": "CustomResourceConversion",
    "names": "CustomResourceDefinitionNames",
    "openAPIV3Schema": "JSONSchemaProps",
    "scale": "CustomResourceSubresourceScale",
    "schema": "CustomResourceValidation",
    "selectableFields": "SelectableField",
    "service": "ServiceReference",
    "subresources": "CustomResourceSubresources",
    "versions": "CustomResourceDefinitionVersion",
    "webhook": "WebhookConversion",
    **dict.fromkeys(("involvedObject", "regarding", "related", "secrets"), "ObjectReference"),
    **dict.fromkeys(("deprecatedSource", "source"), "EventSource"),
}
"""Go structs whose names do not follow from kind and field, such as `LeaseSpec`."""
_TEXT_TYPES = {
    "propagationPolicy": "v1.DeletionPropagation",
    "scope": "v1.ResourceScope",
    "strategy": "v1.ConversionStrategyType",
    "uid": "types.UID",
}
"""Strings with a named Go type."""
_MICRO_TIMES = frozenset({"acquireTime", "eventTime", "lastObservedTime", "renewTime"})


def check(obj: JsonObject, node: Node, info: ResourceInfo) -> None:
    """Check the fields of a built-in kind.

    Raises:
        UndecodableError: A value has a wrong type.
    """
    for name, below in node.properties.items():
        if name in obj and name not in {"metadata", "apiVersion", "kind"} and not _all_fit(obj[name], below):
            raise cannot_be_handled(info, _mismatch(obj[name], below, name, info.kind, info.kind))


def check_metadata(metadata: JsonObject, info: ResourceInfo) -> None:
    """Check the fields of metadata, which are decoded separately for custom kinds.

    Raises:
        UndecodableError: A value has a wrong type.
    """
    for name, value in metadata.items():
        below = fieldsets.METADATA.properties.get(name)
        if below is not None and not _all_fit(value, below):
            path = name if info.custom else f"metadata.{name}"
            raise cannot_be_handled(info, _mismatch(value, below, path, "ObjectMeta", info.kind))


def mismatch(fields: JsonObject, node: Node, struct: str) -> str:
    """Return Go's error for the first field of a struct with a wrong type; "" for none."""
    for name, below in node.properties.items():
        if not _all_fit(fields.get(name), below):
            return _mismatch(fields[name], below, name, struct, struct)
    return ""


def _all_fit(value: Any, node: Node) -> bool:
    """Whether there is no mismatch, computed quickly."""
    if value is None or not node.type:
        return True
    if not _fits(value, node):
        return False
    if node.type == "string":
        return _is_time(value, node)
    if node.type == "object":
        properties, rest = node.properties, node.additional if isinstance(node.additional, Node) else None
        for name, item in value.items():
            below = properties.get(name, rest)
            if below is not None and not _all_fit(item, below):
                return False
    elif node.type == "array" and node.items is not None:
        for item in value:
            if not _all_fit(item, node.items):
                return False
    return True


def _mismatch(value: Any, node: Node, path: str, struct: str, kind: str) -> str:
    """Return Go's error for the first mismatch at `path`, which is in a struct; "" for none."""
    if value is None or not node.type:
        return ""
    field = path.rpartition(".")[2]
    if not _fits(value, node):
        wanted = _TEXT_TYPES.get(field) or _go_type(node, f"v1.{_struct(field, kind)}")
        return f"json: cannot unmarshal {json_type(value)} into Go struct field {struct}.{path} of type {wanted}"
    if isinstance(value, str):
        return "" if _is_time(value, node) else _wrong_time(value, field)
    below: Iterable[str] = ()
    if isinstance(value, dict) and isinstance(node.additional, Node):
        rest = node.additional
        below = (_mismatch(item, rest, path, struct, kind) for item in cast("JsonObject", value).values())
    elif isinstance(value, dict):
        inner = _struct(field, kind)
        fields = cast("JsonObject", value)
        known = ((name, node.properties[name]) for name in fields if name in node.properties)
        below = (_mismatch(fields[name], schema, f"{path}.{name}", inner, kind) for name, schema in known)
    elif isinstance(value, list) and node.items is not None:
        items = node.items
        below = (_mismatch(item, items, path, struct, kind) for item in cast("list[Any]", value))
    return next(filter(None, below), "")


def _struct(field: str, kind: str) -> str:
    """Return the name of a field's Go struct."""
    return _STRUCTS.get(field) or f"{kind}{field[:1].upper()}{field[1:]}"


def _fits(value: Any, node: Node) -> bool:
    return type(value) is _PYTHON_TYPES[node.type]


def restoring(value: Any, node: Node | None) -> str:
    """Return the error for the first wrong type after a strategic merge patch; "" for none.

    There kube-apiserver does not decode JSON, but copies maps into structs.
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


def _is_time(value: str, node: Node) -> bool:
    return node.raw.get("format") != "date-time" or _holds_time(value)


@lru_cache(maxsize=1024)
def _holds_time(value: str) -> bool:
    return holds("date-time", value)


def _wrong_time(value: str, field: str) -> str:
    fraction = ".000000" if field in _MICRO_TIMES else ""
    return f'parsing time "{value}" as "2006-01-02T15:04:05{fraction}Z07:00": cannot parse "{value}" as "2006"'


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
