"""Validation of `x-kubernetes-list-type`, list map keys and `x-kubernetes-map-type` in a definition's schema.

What the list types mean for objects is in `schema.listtypes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from kubechain_apiserver.schema.structural_rules import below, properties
from kubechain_apiserver.wire.field_errors import FieldError, forbidden, invalid, not_supported, required
from kubechain_apiserver.wire.json_types import JsonObject

_KEY_NEEDS: Final = "this property is in x-kubernetes-list-map-keys, so it"


def check(schema: JsonObject, path: str) -> Iterator[FieldError]:
    """Yield the errors of one place of a schema."""
    for rule in (_extensions, _list_of_maps, _keys_and_items):
        yield from rule(schema, path)


def _extensions(schema: JsonObject, path: str) -> Iterator[FieldError]:
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        yield invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    for name, type_, values in (
        ("x-kubernetes-map-type", "object", ("atomic", "granular")),
        ("x-kubernetes-list-type", "array", ("atomic", "set", "map")),
    ):
        given: str | None = schema.get(name)
        if given is None:
            continue
        if not schema.get("type"):
            yield required(f"{path}.type", f"must be {type_} if {name} is specified")
        elif schema["type"] != type_:
            yield invalid(f"{path}.type", schema["type"], f"must be {type_} if {name} is specified")
        if given not in values:
            yield not_supported(f"{path}.{name}", given, values)
    yield from _set_of_atoms(schema, path)


def _set_of_atoms(schema: JsonObject, path: str) -> Iterator[FieldError]:
    """Yield an error if elements of a set are not atomic: they are compared as a whole."""
    items = below(schema, "items")
    if schema.get("type") != "array" or schema.get("x-kubernetes-list-type") != "set" or items is None:
        return
    text = "must be atomic as item of a list with x-kubernetes-list-type=set"
    list_type = items.get("x-kubernetes-list-type")
    if items.get("type") == "array" and list_type not in {None, "atomic"}:
        yield invalid(f"{path}.items.x-kubernetes-list-type", list_type, text)
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        yield invalid(f"{path}.items.x-kubernetes-map-type", list_type, text)


def _list_of_maps(schema: JsonObject, path: str) -> Iterator[FieldError]:
    list_type, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys")
    items = below(schema, "items")
    if keys and list_type != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        place = f"{path}.x-kubernetes-list-type"
        yield required(place, text) if list_type is None else invalid(place, list_type, text)
    if list_type != "map":
        return
    if not keys:
        text = "must not be empty if x-kubernetes-list-type is map"
        yield required(f"{path}.x-kubernetes-list-map-keys", text)
    if schema.get("items") is None:
        yield required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    elif items is not None and items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        yield invalid(f"{path}.items.type", items.get("type") or "", text)
    elif items is not None:
        yield from _map_keys(keys or [], properties(items), path)


def _map_keys(keys: list[str], fields: Mapping[str, JsonObject], path: str) -> Iterator[FieldError]:
    for index, key in enumerate(keys):
        if key not in fields:
            text = "entries must all be names of item properties"
            yield invalid(f"{path}.x-kubernetes-list-map-keys", keys, text)
        elif fields[key].get("type") in {"array", "object"}:
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield invalid(f"{path}.items.properties[{key}].type", "object", text)
        if key in keys[:index]:
            yield invalid(f"{path}.x-kubernetes-list-map-keys", keys, "must not contain duplicate entries")


def _keys_and_items(schema: JsonObject, path: str) -> Iterator[FieldError]:
    """Yield errors of the keys of a list map: every item must have them."""
    items, list_type = below(schema, "items"), schema.get("x-kubernetes-list-type")
    if items is None or list_type not in {"set", "map"}:
        return
    if items.get("nullable"):
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {list_type}")
    if list_type == "set":
        return
    fields = properties(items)
    for key in schema.get("x-kubernetes-list-map-keys") or ():
        place = f"{path}.items.properties[{key}]"
        if key not in fields:
            continue
        if key not in (items.get("required") or ()) and fields[key].get("default") is None:
            yield required(f"{place}.default", f"{_KEY_NEEDS} must have a default or be a required property")
        if fields[key].get("nullable"):
            yield forbidden(f"{place}.nullable", f"{_KEY_NEEDS} cannot be nullable")
