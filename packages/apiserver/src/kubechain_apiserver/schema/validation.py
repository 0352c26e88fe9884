"""Validation of an object against a schema, with kube-apiserver's messages and order.

The order within one place follows kube-openapi's validators: type, composition, string, format, number, items, enum,
fields. Fields are visited by name; kube-apiserver's order is random.
"""

from __future__ import annotations

from typing import Any

from kubechain_apiserver.schema import formats
from kubechain_apiserver.schema.structural import Node, compile_schema
from kubechain_apiserver.wire.field_errors import (
    OMITTED,
    FieldError,
    go_json,
    invalid,
    not_supported,
    number,
    required,
    too_long,
    too_many,
    type_invalid,
)
from kubechain_apiserver.wire.json_types import JsonObject

_INT_BOUNDS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
NO_FIELD = "<nil>"
"""Path of an error without a field."""


def validate(value: Any, node: Node, path: str = "") -> list[FieldError]:
    """Return the errors of a value at `path`."""
    if value is None:
        return _type(value, node, path) + _enum(value, node, path)
    found = _type(value, node, path) + _composition(value, node, path)
    match value:
        case str():
            found += _string(value, node, path)
        case bool():
            pass
        case int() | float():
            found += _number(value, node, path)
        case list():
            found += _list(value, node, path)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            pass
    found += _enum(value, node, path)
    if isinstance(value, dict):
        found += _object(value, node, path)  # pyright: ignore[reportUnknownArgumentType]
    return list(dict.fromkeys(found, None)) if _hashable(found) else found


def _hashable(found: list[FieldError]) -> bool:
    return all(isinstance(error.value, str | int | float | bool | type(OMITTED)) for error in found)


def type_of(value: Any) -> str:
    """Return the JSON type, as schemas name it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() if _INT_BOUNDS["int64"][0] <= value <= _INT_BOUNDS["int64"][1]:
            return "integer"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _number_format(node: Node) -> str:
    """Return the format of a number, if kube-apiserver checks it."""
    name = node.raw.get("format", "")
    return name if name in {"integer": ("int32", "int64"), "number": ("float", "double")}.get(node.type, ()) else ""


def _wanted(node: Node) -> tuple[str, ...]:
    if node.int_or_string:
        return ("integer", "string")
    return (node.type,) if node.type else ()


def _type(value: Any, node: Node, path: str) -> list[FieldError]:
    wanted = _wanted(node)
    if not wanted:
        return []
    actual = type_of(value)
    if value is None:
        return [] if node.nullable else [_wrong_type(path, wanted, actual)]
    whole = isinstance(value, float) and value.is_integer() and "integer" in wanted
    if actual in wanted or (actual == "integer" and "number" in wanted) or whole:
        return []
    number_format = _number_format(node)
    if number_format and not isinstance(value, str | list):
        kind = {"number": "float64", "integer": "int64"}.get(actual, "")
        return [type_invalid(path, kind, f'{path} in body must be of type {number_format}: "{kind}"')]
    checked = formats.is_checked(node.raw.get("format", ""))
    if checked and isinstance(value, str | list) and not {"number", "integer"} & set(wanted):
        return []
    return [_wrong_type(path, wanted, actual)]


def _wrong_type(path: str, wanted: tuple[str, ...], actual: str) -> FieldError:
    return type_invalid(path, actual, f'{path} in body must be of type {",".join(wanted)}: "{actual}"')


def _string(value: str, node: Node, path: str) -> list[FieldError]:
    raw = node.raw
    if "maxLength" in raw and len(value) > raw["maxLength"]:
        return [too_long(path, raw["maxLength"])]
    if "minLength" in raw and len(value) < raw["minLength"]:
        return [invalid(path, value, f"{path} in body should be at least {raw['minLength']} chars long")]
    if node.pattern is not None and not node.pattern.search(value):
        return [invalid(path, value, f"{path} in body should match '{raw['pattern']}'")]
    name = raw.get("format", "")
    if name and not formats.holds(name, value):
        return [type_invalid(path, value, f'{path} in body must be of type {name}: "{value}"')]
    return []


def _number(value: float, node: Node, path: str) -> list[FieldError]:
    raw = node.raw
    found: list[FieldError] = []
    format_ = _number_format(node)
    low, high = _INT_BOUNDS.get(format_, _INT_BOUNDS["int64"])
    if node.type == "integer" and not (low <= value <= high and float(value).is_integer()):
        named = f"with format {format_}" if format_ else "(default format)"
        found.append(invalid(NO_FIELD, "", f"Checked value must be of type integer {named} in {path}"))
    if "multipleOf" in raw and value % raw["multipleOf"] != 0:
        found.append(invalid(path, value, f"{path} in body should be a multiple of {number(raw['multipleOf'])}"))
    if "minimum" in raw:
        found += _bound(value, raw, path, "minimum")
    if "maximum" in raw:
        found += _bound(value, raw, path, "maximum")
    return found


def _bound(value: float, raw: JsonObject, path: str, name: str) -> list[FieldError]:
    bound = raw[name]
    exclusive = raw.get(f"exclusive{name.title()}", False)
    distance = value - bound if name == "minimum" else bound - value
    if distance > 0 or (distance == 0 and not exclusive):
        return []
    word = "greater" if name == "minimum" else "less"
    or_equal = "" if exclusive else " or equal to"
    text = f"{path} in body should be {word} than{or_equal} {number(bound)}"
    return [invalid(path, value, text)]


def _list(value: list[Any], node: Node, path: str) -> list[FieldError]:
    raw = node.raw
    found: list[FieldError] = []
    if node.items is not None:
        for index, item in enumerate(value):
            found += validate(item, node.items, f"{path}[{index}]")
    if "minItems" in raw and len(value) < raw["minItems"]:
        found.append(invalid(path, len(value), f"{path} in body should have at least {raw['minItems']} items"))
    if "maxItems" in raw and len(value) > raw["maxItems"]:
        found.append(too_many(path, len(value), raw["maxItems"]))
    if raw.get("uniqueItems") and len({go_json(item) for item in value}) < len(value):
        found.append(invalid(path, "", f"{path} in body shouldn't contain duplicates"))
    return found


def _enum(value: Any, node: Node, path: str) -> list[FieldError]:
    allowed: list[Any] = node.raw.get("enum") or []
    if not allowed or any(value == item and type(value) is type(item) for item in allowed):
        return []
    return [not_supported(path, value, [item if isinstance(item, str) else go_json(item) for item in allowed])]


def _object(value: JsonObject, node: Node, path: str) -> list[FieldError]:
    raw = node.raw
    found: list[FieldError] = []
    if "minProperties" in raw and len(value) < raw["minProperties"]:
        text = f"{path} in body should have at least {raw['minProperties']} properties"
        found.append(invalid(path, len(value), text))
    if "maxProperties" in raw and len(value) > raw["maxProperties"]:
        found.append(too_many(path, len(value), raw["maxProperties"]))
    if isinstance(node.additional, Node):
        for name in sorted(value.keys() - node.properties.keys()):
            found += validate(value[name], node.additional, f"{path}.{name}")
    for name in sorted(value.keys() & node.properties.keys()):
        found += validate(value[name], node.properties[name], f"{path}.{name}" if path else name)
    for name in raw.get("required", ()):
        if name not in value:
            found.append(required(f"{path}.{name}" if path else name))
    return found


def _branches(raw: JsonObject, name: str) -> list[Node]:
    return [compile_schema(branch, root=False) for branch in raw.get(name, ())]


def _composition(value: Any, node: Node, path: str) -> list[FieldError]:
    raw = node.raw
    found: list[FieldError] = []
    if raw.get("anyOf"):
        results = [validate(value, branch, path) for branch in _branches(raw, "anyOf")]
        if all(results):
            found.append(_no_place(f'"{path}" must validate at least one schema (anyOf)'))
            found += min(results, key=len)
    if raw.get("oneOf"):
        found += _one_of(value, raw, path)
    if raw.get("allOf"):
        results = [validate(value, branch, path) for branch in _branches(raw, "allOf")]
        failed = [error for result in results for error in result]
        if failed:
            none = ". None validated" if all(results) else ""
            found += [*failed, _no_place(f'"{path}" must validate all the schemas (allOf){none}')]
    if "not" in raw and not validate(value, compile_schema(raw["not"], root=False), path):
        found.append(_no_place(f'"{path}" must not validate the schema (not)'))
    return found


def _one_of(value: Any, raw: JsonObject, path: str) -> list[FieldError]:
    results = [validate(value, branch, path) for branch in _branches(raw, "oneOf")]
    valid = sum(1 for result in results if not result)
    if valid == 1:
        return []
    count = f"Found {valid} valid alternatives" if valid else "Found none valid"
    found = [_no_place(f'"{path}" must validate one and only one schema (oneOf). {count}')]
    return found if valid else found + min(results, key=len)


def _no_place(text: str) -> FieldError:
    return invalid(NO_FIELD, "", text)
