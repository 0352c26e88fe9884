"""Checks that a schema is structural, in kube-apiserver's words.

Every place has one type, outside of `allOf`, `anyOf`, `oneOf` and `not`, which only restrict it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, cast

from kubechain_apiserver.wire import goregexp
from kubechain_apiserver.wire.field_errors import FieldError, forbidden, invalid, required
from kubechain_apiserver.wire.json_types import JsonObject

Level = Literal["root", "item", "field"]

LOGIC: Final = ("allOf", "anyOf", "oneOf")
_INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]
_TYPE_IS_MISSING: Final[Mapping[Level, str]] = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_EMBEDDED_IS_OBJECT: Final = "must be object if x-kubernetes-embedded-resource is true"
_EMBEDDED_IS_EMPTY: Final = (
    "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
)
_ONLY_NAMES: Final = "must not specify anything other than name and generateName, but metadata is implicitly specified"
_NOT_IN_LOGIC: Final[Mapping[str, str]] = {
    "type": "must be empty to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


def check(schema: JsonObject, path: str) -> list[FieldError]:
    """Return the errors of the schema of a resource, in kube-apiserver's order: by path and text."""
    found = [*_place(schema, path, "root"), *_unsaid_outside(schema, schema, path, path)]
    return sorted(found, key=lambda error: f"{error.field}: {error.message}")


def properties(schema: JsonObject) -> Mapping[str, JsonObject]:
    """Return the schemas of the named fields."""
    return cast("Mapping[str, JsonObject]", schema.get("properties") or {})


def below(schema: JsonObject, name: str) -> JsonObject | None:
    """Return the schema of `items`, `additionalProperties` or `not`, if it is one."""
    found = schema.get(name)
    return cast("JsonObject", found) if isinstance(found, dict) else None


def has_additional(schema: JsonObject) -> bool:
    """Return whether `additionalProperties` is set: to a schema, true or false."""
    return schema.get("additionalProperties") is not None


def _place(schema: JsonObject, path: str, level: Level) -> Iterator[FieldError]:
    """Yield the errors of one place and all places below."""
    items, additional = below(schema, "items"), below(schema, "additionalProperties")
    if schema.get("type") == "array" and items is None:
        yield required(f"{path}.items", "must be specified")
    if items is not None:
        yield from _place(items, f"{path}.items", "item")
    for name, one in properties(schema).items():
        yield from _place(one, f"{path}.properties[{name}]", "field")
    if level == "root" and has_additional(schema):
        yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if additional is not None:
        yield from _place(additional, f"{path}.additionalProperties", "field")
    yield from _int_or_string(schema, path)
    yield from _narrowing(schema, path, any_of_types=schema.get("anyOf") == _INT_OR_STRING, first_all_of_types=True)
    yield from _type(schema, path, level)
    yield from _resource_fields(schema, path, level)


def _int_or_string(schema: JsonObject, path: str) -> Iterator[FieldError]:
    if schema.get("x-kubernetes-int-or-string"):
        for name in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
            if schema.get(name):
                yield invalid(f"{path}.{name}", True, "must be false if x-kubernetes-int-or-string is true")


def _type(schema: JsonObject, path: str, level: Level) -> Iterator[FieldError]:
    type_: str = schema.get("type") or ""
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("x-kubernetes-embedded-resource"):
        if not type_:
            yield required(f"{path}.type", _EMBEDDED_IS_OBJECT)
        elif type_ != "object":
            yield invalid(f"{path}.type", type_, _EMBEDDED_IS_OBJECT)
    elif not type_ and not free:
        yield required(f"{path}.type", _TYPE_IS_MISSING[level])
    if level == "root" and type_ not in {"", "object"}:
        yield invalid(f"{path}.type", type_, "must be object at the root")


def _resource_fields(schema: JsonObject, path: str, level: Level) -> Iterator[FieldError]:
    """Yield the errors of fields that every resource has, at the root or embedded."""
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    if embedded and has_additional(schema):
        yield forbidden(f"{path}.additionalProperties", "must not be used if x-kubernetes-embedded-resource is set")
    fields = properties(schema)
    is_resource = embedded or level == "root"
    for name, type_ in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        given = fields[name].get("type") or "" if name in fields else type_
        if is_resource and given != type_:
            yield invalid(f"{path}.properties[{name}].type", given, f"must be {type_}")
    if level == "root" and "metadata" in fields and not _names_only(fields["metadata"]):
        yield forbidden(f"{path}.properties[metadata]", _ONLY_NAMES)
    if embedded and not schema.get("x-kubernetes-preserve-unknown-fields") and not fields:
        yield required(f"{path}.properties", _EMBEDDED_IS_EMPTY)


def _names_only(schema: JsonObject) -> bool:
    said = {name for name, value in schema.items() if value not in (None, "", False, [], {})}
    return said <= {"type", "properties", "default"} and properties(schema).keys() <= {"name", "generateName"}


def _narrowing(
    schema: JsonObject, path: str, *, any_of_types: bool = False, first_all_of_types: bool = False
) -> Iterator[FieldError]:
    """Yield the errors of `allOf` and the like at a place.

    Args:
        any_of_types: `anyOf` is that of an int-or-string, in which types are allowed.
        first_all_of_types: The same for an `anyOf` in the first entry of `allOf`.
    """
    for name in LOGIC:
        if name == "anyOf" and any_of_types:
            continue
        for index, one in enumerate(schema.get(name) or ()):
            types = first_all_of_types and name == "allOf" and index == 0 and one.get("anyOf") == _INT_OR_STRING
            yield from _narrower(one, f"{path}.{name}[{index}]", any_of_types=types)
    negated = below(schema, "not")
    if negated is not None:
        yield from _narrower(negated, f"{path}.not")
    yield from _pattern(schema.get("pattern") or "", f"{path}.pattern")


def _pattern(pattern: str, path: str) -> Iterator[FieldError]:
    try:
        goregexp.compiled(pattern)
    except goregexp.PatternError as error:
        yield invalid(path, pattern, f"must be a valid regular expression, but isn't: {error}")


def _narrower(schema: JsonObject, path: str, *, any_of_types: bool = False) -> Iterator[FieldError]:
    yield from _narrowing(schema, path, any_of_types=any_of_types)
    items = below(schema, "items")
    if items is not None:
        yield from _narrower(items, f"{path}.items")
    for name, one in properties(schema).items():
        yield from _narrower(one, f"{path}.properties[{name}]")
    if schema.get("additionalProperties"):
        yield forbidden(f"{path}.additionalProperties", "must be undefined to be structural")
    for name, text in _NOT_IN_LOGIC.items():
        if schema.get(name) or (name == "default" and schema.get(name) is not None):
            yield forbidden(f"{path}.{name}", text)
    if "metadata" in properties(schema):
        yield forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _unsaid_outside(schema: JsonObject, outside: JsonObject, path: str, outside_path: str) -> Iterator[FieldError]:
    """Yield an error for fields and items that only `allOf` and the like name."""
    branches: list[tuple[JsonObject, str]] = [
        (one, f"{path}.{name}[{index}]") for name in LOGIC for index, one in enumerate(schema.get(name) or ())
    ]
    negated = below(schema, "not")
    if negated is not None:
        branches.append((negated, f"{path}.not"))
    for one, here in branches:
        yield from _unsaid_in_branch(one, outside, here, outside_path)


def _unsaid_in_branch(branch: JsonObject, outside: JsonObject, path: str, outside_path: str) -> Iterator[FieldError]:
    yield from _unsaid_outside(branch, outside, path, outside_path)
    parts: list[tuple[JsonObject, JsonObject | None, str]] = [
        (one, properties(outside).get(name), f".properties[{name}]") for name, one in properties(branch).items()
    ]
    items = below(branch, "items")
    if items is not None:
        parts.append((items, below(outside, "items"), ".items"))
    for one, counterpart, step in parts:
        if counterpart is None:
            yield required(f"{outside_path}{step}", f"because it is defined in {path}{step}")
        else:
            yield from _unsaid_in_branch(one, counterpart, f"{path}{step}", f"{outside_path}{step}")
