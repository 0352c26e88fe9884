"""Reads the schemas of a definition as Go does: nulls and unknown fields go, values of other types are refused.

Called by `crds` before anything looks into a schema. What a schema may say is the business of `crd_schema`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from kubechain.embedded.builtin.crd_internal import RULE, SCHEMA
from kubechain.embedded.gojson import json_type
from kubechain.embedded.schema.structural import Node

JsonObject = dict[str, Any]

_PYTHON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "FieldValueErrorReason": (str,),
    "bool": (bool,),
    "int64": (int,),
    "float64": (int, float),
}
_SCHEMA_TYPES: Final = {name: type_.removeprefix("*") for name, type_ in SCHEMA}
_RULE_TYPES: Final = {name: type_.removeprefix("*") for name, type_ in RULE}
_SCHEMAS: Final = frozenset({"map[string]JSONSchemaProps", "JSONSchemaDefinitions", "JSONSchemaDependencies"})
_GO_TYPES: Final[Mapping[str, str]] = {
    "map[string]JSONSchemaProps": "map[string]v1.JSONSchemaProps",
    "[]JSONSchemaProps": "[]v1.JSONSchemaProps",
    "[]JSON": "[]v1.JSON",
    "[]string": "[]string",
    **{name: f"v1.{name}" for name in ("JSONSchemaProps", "JSONSchemaDefinitions", "JSONSchemaDependencies")},
    **{name: f"v1.{name}" for name in ("ExternalDocumentation", "ValidationRules", "FieldValueErrorReason")},
}


_EMPTY: Final[Mapping[str, Any]] = {"v1.ValidationRules": {}, "[]v1.JSONSchemaProps": {}, "[]string": ""}
"""What Go makes of a null in a list."""


class WrongType(ValueError):
    """A value that Go cannot hold in the field that it is for; the text is Go's."""


class Decoder:
    """Goes through a schema, and changes it in place.

    Args:
        place: The Go struct and fields that lead to it.
        report: Is told the path of each unknown field.
    """

    def __init__(self, place: str, report: Callable[[str], None]) -> None:
        self._struct, _, self._place = place.partition(".")
        self._report = report

    def schema(self, value: Any, path: str, place: str = "") -> None:
        """Read a schema.

        Args:
            path: Where it is in the object.
            place: The same for Go, which leaves out keys and indices, and begins anew in `items` and the like.

        Raises:
            WrongType: something in it is of a type that is not its field's.
        """
        place = place or self._place
        for fields, name, type_ in self._fields(value, _SCHEMA_TYPES, path, f"{self._struct}.{place}"):
            self._part(fields, name, type_, path, place)

    def _fields(
        self, value: Any, types: Mapping[str, str], path: str, place: str, struct: str = "JSONSchemaProps"
    ) -> Iterator[tuple[JsonObject, str, str]]:
        """The fields of a struct that are there, with their types; what is null or unknown is removed."""
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
        value, here, there = fields[name], f"{path}.{name}", _join(place, name)
        if type_ in _PYTHON_TYPES:
            _check(value, type_, f"JSONSchemaProps.{there}")
        elif type_ == "JSONSchemaPropsOrArray":
            if not self._alone(value, one=dict, many=list):
                del fields[name]
        elif type_ == "JSONSchemaPropsOrBool":
            if not isinstance(value, bool) and not self._alone(value, one=dict, many=None):
                raise WrongType("boolean or JSON schema expected")
        elif type_ in _SCHEMAS:
            self._by_name(value, type_, here, there)
        elif type_ == "JSONSchemaProps":
            self._below(value, here, there)
        elif type_ == "ValidationRules":
            self._rules(value, here, there)
        elif type_.startswith("[]"):
            self._list(value, type_, here, there)

    def _alone(self, value: Any, *, one: type, many: type | None) -> bool:
        """Read what Go reads by itself: its places begin anew, and it ignores unknown fields."""
        alone = Decoder("JSONSchemaProps", lambda path: None)
        if isinstance(value, one):
            alone.schema(value, "")
        elif many is not None and isinstance(value, many):
            for item in cast("list[Any]", value):
                alone.schema(item, "")
        else:
            return False
        return True

    def _below(self, value: Any, path: str, place: str) -> None:
        Decoder(f"JSONSchemaProps.{place}", self._report).schema(value, path)

    def _by_name(self, value: Any, type_: str, path: str, place: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(value, f"JSONSchemaProps.{place}", _GO_TYPES[type_])
        for name, item in cast("JsonObject", value).items():
            if item is None:
                cast("JsonObject", value)[name] = {}
            elif type_ == "JSONSchemaDependencies":
                self._alone(item, one=dict, many=None)
            else:
                self._below(item, f"{path}.{name}", place)

    def _rules(self, value: Any, path: str, place: str) -> None:
        for index, item in enumerate(_items(value, place, "v1.ValidationRules")):
            there = f"JSONSchemaProps.{place}"
            for fields, name, type_ in self._fields(item, _RULE_TYPES, f"{path}[{index}]", there, "ValidationRule"):
                _check(fields[name], type_, f"ValidationRule.{place}.{name}")

    def _list(self, value: Any, type_: str, path: str, place: str) -> None:
        for index, item in enumerate(_items(value, place, _GO_TYPES[type_])):
            if type_ == "[]JSONSchemaProps":
                self._below(item, f"{path}[{index}]", place)
            elif type_ == "[]string":
                _check(item, "string", f"JSONSchemaProps.{place}")


def fill_lists(value: Any, node: Node | None) -> None:
    """Put what Go makes of a null into lists, in place: an empty text, or a struct without fields."""
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


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _items(value: Any, place: str, type_: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(value, f"JSONSchemaProps.{place}", type_)
    items = cast("list[Any]", value)
    if type_ in _EMPTY:
        items[:] = [copy.copy(_EMPTY[type_]) if item is None else item for item in items]
    return items


def _check(value: Any, type_: str, place: str) -> None:
    if not isinstance(value, _PYTHON_TYPES[type_]) or (isinstance(value, bool) and type_ != "bool"):
        raise _wrong(value, place, _GO_TYPES.get(type_, type_))


def _wrong(value: Any, place: str, type_: str) -> WrongType:
    return WrongType(f"json: cannot unmarshal {json_type(value)} into Go struct field {place} of type {type_}")
