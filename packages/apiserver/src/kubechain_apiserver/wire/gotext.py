"""Values as Go prints them: `%v`, `%#v`, `%T`, and objects in the field order of Go structs.

Used for error messages only.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

from kubechain_apiserver.wire.field_errors import go_escaped, number, quote
from kubechain_apiserver.wire.json_types import JsonObject

_OWNER: Final = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
_MANAGER: Final = ("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource")
_METADATA: Final = (
    *("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp"),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers"),
    "managedFields",
)


def plain(value: Any) -> str:
    """Return a value as `%v` prints it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case int() | float():
            return number(value)
        case str():
            return value
        case list():
            return f"[{' '.join(map(plain, cast('list[Any]', value)))}]"
        case _:
            fields = cast("JsonObject", value)
            return f"map[{' '.join(f'{name}:{plain(fields[name])}' for name in sorted(fields))}]"


def syntax(value: Any) -> str:
    """Return a value as `%#v` prints it."""
    match value:
        case None:
            return "interface {}(nil)"
        case str():
            return quote(value)
        case list():
            return f"{type_of(value)}{{{', '.join(map(syntax, cast('list[Any]', value)))}}}"
        case dict():
            fields = cast("JsonObject", value)
            return (
                f"{type_of(fields)}{{{', '.join(f'{quote(name)}:{syntax(fields[name])}' for name in sorted(fields))}}}"
            )
        case _:
            return plain(value)


def type_of(value: Any) -> str:
    """Return the type of a decoded JSON value, as `%T` prints it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case _:
            return "map[string]interface {}"


def kind_of(value: Any) -> str:
    """Return the `reflect.Kind` of a decoded JSON value."""
    match value:
        case list():
            return "slice"
        case dict():
            return "map"
        case _:
            return type_of(value)


def owners(references: list[JsonObject]) -> str:
    """Return owner references as JSON."""
    return _json([_in_order(reference, _OWNER) for reference in references])


def patched(obj: JsonObject, before: JsonObject) -> str:
    """Return an object of a built-in kind after a patch, as JSON.

    What the patch changed is a map with sorted keys; the rest has the field order of its struct.
    """
    return _json(_touched(obj, {**before, "metadata": _in_order_of_structs(before["metadata"])}))


def _touched(value: Any, before: Any) -> Any:
    if value == before:
        return before
    if not isinstance(value, dict):
        return value
    fields = cast("JsonObject", value)
    earlier = cast("JsonObject", before) if isinstance(before, dict) else {}
    return {name: _touched(fields[name], earlier.get(name)) for name in sorted(fields)}


def _in_order_of_structs(metadata: JsonObject) -> JsonObject:
    lists = {"ownerReferences": _OWNER, "managedFields": _MANAGER}
    ordered = {name: [_in_order(item, order) for item in metadata.get(name, ())] for name, order in lists.items()}
    return _in_order({**metadata, **{name: items for name, items in ordered.items() if items}}, _METADATA)


def _in_order(fields: JsonObject, order: tuple[str, ...]) -> JsonObject:
    return {name: fields[name] for name in order if name in fields}


def _json(value: Any) -> str:
    return go_escaped(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
