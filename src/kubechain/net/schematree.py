"""Where the schemas inside a JSON schema are, and where its references lead. Pure; knows no library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import unquote

Steps = tuple[str | int, ...]


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


SCHEMAS = words(
    "items additionalProperties additionalItems contains propertyNames not if then else unevaluatedProperties "
    "unevaluatedItems contentSchema"
)
"""Keywords whose value is a schema."""

MAPS_OF_SCHEMAS = frozenset({"properties", "patternProperties", "dependentSchemas"})
LISTS_OF_SCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})


def children(schema: Mapping[str, Any]) -> Iterator[tuple[Steps, Mapping[str, Any]]]:
    """The schemas directly inside a schema, each with the way to it; without definitions, which references lead to."""
    for name, value in schema.items():
        if name in SCHEMAS and mapping(value):
            yield (name,), mapping(value)
        if name in MAPS_OF_SCHEMAS or name == "dependencies":
            yield from (((name, str(one)), mapping(found)) for one, found in mapping(value).items() if mapping(found))
        if name in LISTS_OF_SCHEMAS or name == "items":  # a tuple, as older drafts write it
            yield from (((name, index), mapping(one)) for index, one in enumerate(items(value)) if mapping(one))


def references(schema: Mapping[str, Any]) -> Iterator[str]:
    """The references of a schema itself, without those of the schemas inside it."""
    for name in ("$ref", "$dynamicRef", "$recursiveRef"):
        value = schema.get(name)
        if isinstance(value, str):
            yield value


def target(root: Mapping[str, Any], reference: str) -> Mapping[str, Any] | None:
    """What a reference leads to; None for another document, or for nothing."""
    document, _, fragment = reference.partition("#")
    if document and document not in (root.get("$id"), root.get("id")):
        return None
    fragment = unquote(fragment)
    if fragment and not fragment.startswith("/"):
        return _anchored(root, fragment)
    found: object = root
    for step in fragment.split("/")[1:]:
        found = _step(found, step.replace("~1", "/").replace("~0", "~"))
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else None


def _step(value: object, name: str) -> object:
    if isinstance(value, list):
        listed = items(cast("object", value))
        return listed[int(name)] if name.isdecimal() and int(name) < len(listed) else None
    return mapping(value).get(name)


def _anchored(root: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    defined = [root, *mapping(root.get("$defs")).values(), *mapping(root.get("definitions")).values()]
    found = (mapping(one) for one in defined)
    return next((one for one in found if name in (one.get("$anchor"), one.get("$dynamicAnchor"))), None)


def mapping(value: object) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def items(value: object) -> list[Any]:
    """The value where it is an array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []
