"""Decodes the schemas of a definition as Go does: nulls and unknown fields are dropped, wrong types refused.

It runs before anything else reads a schema. What a schema may contain is checked in `crd_schema`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from kubechain_apiserver.kinds.builtin.crd_internal import RULE, SCHEMA
from kubechain_apiserver.schema.structural import Node
from kubechain_apiserver.wire.gojson import json_type
from kubechain_apiserver.wire.json_types import JsonObject

_PYTHON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "FieldValueErrorReason": (str,),
    "bool": (bool,),
    "int64": (int,),
    "float64": (int, float),
}
_SCHEMA_TYPES: Final = {name: type_.removeprefix("*") for name, type_ in SCHEMA}
_STRUCTS: Final[Mapping[str, Mapping[str, str]]] = {
    "ValidationRule": {name: type_.removeprefix("*") for name, type_ in RULE},
    "ExternalDocumentation": {"description": "string", "url": "string"},
}
_ELEMENTS: Final[Mapping[str, str]] = {
    "[]JSON": "JSON",
    "[]JSONSchemaProps": "JSONSchemaProps",
    "[]string": "string",
    "ValidationRules": "ValidationRule",
}
"""Type of the elements of lists and maps."""

_SCHEMAS: Final = frozenset({"map[string]JSONSchemaProps", "JSONSchemaDefinitions", "JSONSchemaDependencies"})
_GO_TYPES: Final[Mapping[str, str]] = {
    "map[string]JSONSchemaProps": "map[string]v1.JSONSchemaProps",
    "[]JSONSchemaProps": "[]v1.JSONSchemaProps",
    "[]JSON": "[]v1.JSON",
    "[]string": "[]string",
    **{name: f"v1.{name}" for name in ("JSONSchemaProps", "JSONSchemaDefinitions", "JSONSchemaDependencies")},
    **{name: f"v1.{name}" for name in ("ExternalDocumentation", "ValidationRules", "FieldValueErrorReason")},
}


class WrongType(ValueError):
    """A value that the Go type of its field cannot hold; the text is Go's."""


class Decoder:
    """Walks a schema and changes it in place.

    Args:
        report: Called with the path of each unknown field.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report

    def schema(self, value: Any, path: str, place: str, *, struct: str = "JSONSchemaProps") -> None:
        """Read a schema.

        Args:
            path: Where it is in the object.
            place: The same for Go, which leaves out keys and indices.
            struct: The Go struct that it is a field of.

        Raises:
            WrongType: something in it is of a type that is not its field's.
        """
        for fields, name, type_ in self._fields(value, _SCHEMA_TYPES, path, f"{struct}.{place}", "JSONSchemaProps"):
            self._part(fields, name, type_, f"{path}.{name}", f"{place}.{name}")

    def _fields(
        self, value: Any, types: Mapping[str, str], path: str, place: str, struct: str
    ) -> Iterator[tuple[JsonObject, str, str]]:
        """Yield the known fields of a struct with their types; nulls and unknown fields are removed."""
        if not isinstance(value, dict):
            raise _wrong(value, place, f"v1.{struct}")
        fields = cast("JsonObject", value)
        for name in list(fields):
            if name not in types:
                self._report(f"{path}.{name}")
                del fields[name]
            elif fields[name] is None:
                del fields[name]
            else:
                yield fields, name, types[name]

    def _part(self, fields: JsonObject, name: str, type_: str, path: str, place: str) -> None:
        value = fields[name]
        if type_ in _PYTHON_TYPES:
            _check(value, type_, f"JSONSchemaProps.{place}")
        elif type_ in _STRUCTS:
            self._struct(value, type_, path, place)
        elif type_ == "JSONSchemaPropsOrArray":
            if not _alone(value, place, many=True):
                del fields[name]
        elif type_ == "JSONSchemaPropsOrBool":
            if not isinstance(value, bool) and not _alone(value, place):
                raise WrongType("boolean or JSON schema expected")
        elif type_ in _SCHEMAS:
            self._by_name(value, type_, path, place)
        elif type_ == "JSONSchemaProps":
            self.schema(value, path, place)
        elif type_ in _ELEMENTS:
            self._list(value, type_, path, place)

    def _struct(self, value: Any, type_: str, path: str, place: str) -> None:
        for fields, name, of in self._fields(value, _STRUCTS[type_], path, f"JSONSchemaProps.{place}", type_):
            _check(fields[name], of, f"{type_}.{place}.{name}")

    def _by_name(self, value: Any, type_: str, path: str, place: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(value, f"JSONSchemaProps.{place}", _GO_TYPES[type_])
        schemas = cast("JsonObject", value)
        for name, item in schemas.items():
            if item is None:
                schemas[name] = {}
            elif type_ == "JSONSchemaDependencies":
                _alone(item, place)
            else:
                self.schema(item, f"{path}.{name}", place)

    def _list(self, value: Any, type_: str, path: str, place: str) -> None:
        for index, item in enumerate(_items(value, place, type_)):
            match _ELEMENTS[type_]:
                case "JSON":
                    pass
                case "JSONSchemaProps":
                    self.schema(item, f"{path}[{index}]", place)
                case "string":
                    _check(item, "string", f"JSONSchemaProps.{place}")
                case struct:
                    self._struct(item, struct, f"{path}[{index}]", place)


def _alone(value: Any, place: str, *, many: bool = False) -> bool:
    """Decode a value that Go decodes separately, ignoring unknown fields; returns whether the type fits.

    Args:
        many: It may also be a list of schemas.
    """
    alone = Decoder(lambda path: None)
    if isinstance(value, dict):
        alone.schema(value, "", place)
    elif many and isinstance(value, list):
        for item in cast("list[Any]", value):
            alone.schema(item, "", place)
    else:
        return False
    return True


def fill_lists(value: Any, node: Node | None) -> None:
    """Replace nulls in lists, in place, by Go's zero value: an empty string or an empty struct."""
    match value, node:
        case dict(), Node():
            for name, item in cast("JsonObject", value).items():
                fill_lists(item, node.properties.get(name))
        case list(), Node(items=Node() as items):
            filled = cast("list[Any]", value)
            for index, item in enumerate(filled):
                if item is None:
                    filled[index] = "" if items.type == "string" else {}
                fill_lists(item, items)
        case _:
            pass


def _items(value: Any, place: str, type_: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(value, f"JSONSchemaProps.{place}", _GO_TYPES[type_])
    items = cast("list[Any]", value)
    if type_ != "[]JSON":
        items[:] = [("" if type_ == "[]string" else {}) if item is None else item for item in items]
    return items


def _check(value: Any, type_: str, place: str) -> None:
    if not isinstance(value, _PYTHON_TYPES[type_]) or (isinstance(value, bool) and type_ != "bool"):
        shown = f" {value}" if type_ == "int64" and isinstance(value, float) else ""
        raise _wrong(value, place, _GO_TYPES.get(type_, type_), shown)


def _wrong(value: Any, place: str, type_: str, shown: str = "") -> WrongType:
    return WrongType(f"json: cannot unmarshal {json_type(value)}{shown} into Go struct field {place} of type {type_}")
