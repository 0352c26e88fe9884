"""Sets of fields in the form of FieldsV1, and how they are computed from objects.

A set is a nested dictionary with a key per path element (`f:name`, `k:{"key":…}`, `v:value`); an element is a member of
the set if its dictionary is empty or has the key ".".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import orjson

from kubechain_apiserver.schema.structural import MISSING, Node, compile_schema
from kubechain_apiserver.wire.json_types import JsonObject

FieldSet = dict[str, Any]

MEMBER = "."

_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}


def _struct(texts: str, **more: JsonObject) -> JsonObject:
    return {"type": "object", "properties": {**dict.fromkeys(texts.split(), _TEXT), **more}}


METADATA = compile_schema(
    _struct(
        "name generateName namespace selfLink uid resourceVersion",
        creationTimestamp=_TIME,
        deletionTimestamp=_TIME,
        generation={"type": "integer"},
        deletionGracePeriodSeconds={"type": "integer"},
        annotations={"type": "object", "additionalProperties": _TEXT},
        labels={"type": "object", "additionalProperties": _TEXT},
        finalizers={"type": "array", "items": _TEXT, "x-kubernetes-list-type": "set"},
        managedFields={
            "type": "array",
            "items": _struct("apiVersion fieldsType manager operation subresource", time=_TIME),
        },
        ownerReferences={
            "type": "array",
            "items": {
                **_struct(
                    "apiVersion kind name",
                    uid={**_TEXT, "default": ""},
                    blockOwnerDeletion={"type": "boolean"},
                    controller={"type": "boolean"},
                ),
                "x-kubernetes-map-type": "atomic",
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
        },
    ),
    root=False,
)
"""Schema of the metadata of every kind."""


def below(node: Node | None, name: str) -> Node | None:
    """Return the schema of a field."""
    if node is None:
        return None
    if name == "metadata" and node.embedded:
        return METADATA
    found = node.properties.get(name, node.additional)
    return found if isinstance(found, Node) else None


def is_struct_field(node: Node | None, name: str) -> bool:
    """Whether the schema has the field as a property, not as a map key."""
    return node is not None and (name in node.properties or (node.embedded and name in {"metadata", "kind"}))


def is_granular(value: Any, node: Node | None) -> bool:
    """Whether the parts of a value have managers of their own."""
    if isinstance(value, dict):
        return node is None or node.map_type != "atomic"
    return isinstance(value, list) and node is not None and node.list_type in {"map", "set"}


def element_of(item: Any, node: Node | None) -> str:
    """Return the path element of a list item."""
    if node is not None and node.list_type == "map" and isinstance(item, dict):
        fields = cast("JsonObject", item)
        key = {name: fields.get(name, default_key(node, name)) for name in sorted(node.map_keys)}
        return f"k:{_compact({name: value for name, value in key.items() if value is not None})}"
    return f"v:{_compact(item)}"


def default_key(node: Node, name: str) -> Any:
    """Return the value that an absent key of an item defaults to."""
    field = node.items.properties.get(name) if node.items else None
    return None if field is None or field.default is MISSING else field.default


def _compact(value: Any) -> str:
    return orjson.dumps(value).decode()


def children(value: Any, node: Node | None) -> Iterator[tuple[str, Any, Node | None]]:
    """Yield the parts of a granular value: path element, value, schema."""
    if isinstance(value, dict):
        for name, item in cast("JsonObject", value).items():
            yield f"f:{name}", item, below(node, name)
    else:
        for item in cast("list[Any]", value):
            yield element_of(item, node), item, node.items if node else None


def of_addition(value: Any, node: Node | None) -> FieldSet:
    """Return the fields of an added value: the value and all its parts."""
    if not value or not is_granular(value, node):
        return {}
    found: FieldSet = {MEMBER: {}}
    for element, item, schema in children(value, node):
        found[element] = of_addition(item, schema)
    return found


def of_applied(value: Any, node: Node | None) -> FieldSet:
    """Return the fields that an applied configuration claims: leaves, and items of lists and maps."""
    if not value or not is_granular(value, node):
        return {}
    found: FieldSet = {}
    for element, item, schema in children(value, node):
        part = of_applied(item, schema)
        is_entry = not element.startswith("f:") or not is_struct_field(node, element[2:])
        found[element] = {MEMBER: {}, **part} if part and is_entry else part
    return found


def compare(old: Any, new: Any, node: Node | None) -> tuple[FieldSet | None, FieldSet | None]:
    """Return the fields added or modified, and those removed, between two values; None for none."""
    if not _comparable(old, new, node):
        return {}, None
    changed: FieldSet = {}
    removed: FieldSet = {}
    before = {element: item for element, item, _ in children(old, node)}
    for element, item, schema in children(new, node):
        if element not in before:
            changed[element] = of_addition(item, schema)
            continue
        earlier = before.pop(element)
        if earlier is item or (earlier == item and type(earlier) is type(item)):
            continue
        more, less = compare(earlier, item, schema)
        if more is not None:
            changed[element] = more
        if less is not None:
            removed[element] = less
    for element, item in before.items():
        schema = below(node, element[2:]) if element.startswith("f:") else (node.items if node else None)
        removed[element] = of_addition(item, schema)
    return changed or None, removed or None


def _comparable(old: Any, new: Any, node: Node | None) -> bool:
    alike = type(old) is type(new)
    return alike and is_granular(new, node) and is_granular(old, node)


def is_set(found: Any) -> bool:
    """Whether a value from a client has the form of a set."""
    if not isinstance(found, dict):
        return False
    return all(
        (element == MEMBER or element[:2] in {"f:", "k:", "v:", "i:"}) and is_set(part)
        for element, part in cast("JsonObject", found).items()
    )


def is_member(found: FieldSet) -> bool:
    """Whether the element itself is a member of the set."""
    return not found or MEMBER in found


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the union of two sets of one element."""
    result: FieldSet = {}
    if is_member(left) or is_member(right):
        result[MEMBER] = {}
    for element in (left.keys() | right.keys()) - {MEMBER}:
        if element in left and element in right:
            result[element] = union(left[element], right[element])
        else:
            result[element] = left.get(element, right.get(element))
    return _tidy(result)


def root_union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the union of two sets of whole objects."""
    result = union({**left, "": {}}, {**right, "": {}})
    return {element: part for element, part in result.items() if element not in {"", MEMBER}}


def difference(left: FieldSet, right: FieldSet) -> FieldSet | None:
    """Return the fields in the left set only; None if nothing remains."""
    result: FieldSet = {}
    if is_member(left) and not is_member(right):
        result[MEMBER] = {}
    for element, part in left.items():
        if element == MEMBER:
            continue
        rest = difference(part, right[element]) if element in right else part
        if rest is not None:
            result[element] = rest
    return _tidy(result) if result else None


def root_difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the fields in the left set only, of whole objects."""
    result: FieldSet = {}
    for element, part in left.items():
        rest = difference(part, right[element]) if element in right else part
        if rest is not None:
            result[element] = rest
    return result


def common(left: FieldSet, right: FieldSet, path: str = "") -> Iterator[str]:
    """Yield the paths of fields in both sets, as conflicts print them."""
    for element in sorted((left.keys() & right.keys()) - {MEMBER}):
        here = f"{path}{shown(element)}"
        if is_member(left[element]) and is_member(right[element]):
            yield here
        yield from common(left[element], right[element], here)


def shown(element: str) -> str:
    """Return a path element as errors print it."""
    kind, _, content = element.partition(":")
    match kind:
        case "f":
            return f".{content}"
        case "k":
            key = cast("JsonObject", json.loads(content))
            return "[" + ",".join(f"{name}={_compact(value)}" for name, value in key.items()) + "]"
        case _:
            return f"[={content}]"


def _tidy(found: FieldSet) -> FieldSet:
    """Return a set in normal form: a single member is an empty dictionary."""
    return {} if found.keys() == {MEMBER} else found


def ordered(found: FieldSet) -> FieldSet:
    """Return the set in kube-apiserver's order."""
    return {element: ordered(found[element]) for element in sorted(found)}
