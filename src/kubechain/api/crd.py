"""CustomResourceDefinitions, generated from the models.

This module knows Python types and OpenAPI, and no kind in particular: bounds, patterns and rules stand beside the
fields that they are about.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from kubechain.api.kinds import ALL_KINDS, Column, Kind
from kubechain.api.meta import KubeModel, StatusBase, StatusObject, wire_name
from kubechain.api.schema import JsonObject, Rule, Schema

_INT32_MAX = 2_147_483_647

_API_VERSION_DESCRIPTION = "Version of the schema that this object is written in."
_KIND_DESCRIPTION = "What this object is."


def custom_resource_definitions() -> list[JsonObject]:
    """Return the CRD of every kind, as the API server takes it."""
    return [custom_resource_definition(kind) for kind in ALL_KINDS]


def custom_resource_definition(kind: Kind[Any]) -> JsonObject:
    """Return the CRD of one kind."""
    names: JsonObject = {
        "categories": ["kubechain"],
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.singular,
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced",
            "versions": [_version(kind)],
        },
    }


def _version(kind: Kind[Any]) -> JsonObject:
    version: JsonObject = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": _root_schema(kind.model)},
        "subresources": {"status": {}},
    }
    if kind.selectable_fields:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable_fields]
    return version


def longest(model: type[KubeModel], attribute: str) -> int:
    """Return the greatest length that the schema allows for a text.

    Raises:
        KeyError: The schema has no bound for it.
    """
    return _field_schema(model.model_fields[attribute])["maxLength"]


def _column(column: Column) -> JsonObject:
    wire: JsonObject = {"name": column.name, "type": column.type, "jsonPath": column.json_path}
    return wire | {"priority": 1} if column.wide else wire


def _root_schema(model: type[StatusObject[Any, Any]]) -> JsonObject:
    """Return the schema of a whole object; the API server itself knows what metadata is."""
    fields = model.model_fields
    schema: JsonObject = {
        "type": "object",
        "description": _summary(model),
        "required": ["metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": _API_VERSION_DESCRIPTION},
            "kind": {"type": "string", "description": _KIND_DESCRIPTION},
            "metadata": {"type": "object"},
            "spec": _field_schema(fields["spec"]),
            "status": _field_schema(fields["status"]),
        },
    }
    return _with_rules(schema, model.crd_rules)


def _model_schema(model: type[KubeModel]) -> JsonObject:
    fields = model.model_fields
    schema: JsonObject = {
        "type": "object",
        "description": _summary(model),
        "properties": {wire_name(name): _field_schema(field) for name, field in fields.items()},
    }
    if issubclass(model, StatusBase):
        schema["properties"]["conditions"]["description"] += _condition_types(model.condition_types)
    required = [wire_name(name) for name, field in fields.items() if field.is_required()]
    if required:
        schema["required"] = required
    return _with_rules(schema, model.crd_rules)


def _field_schema(field: FieldInfo) -> JsonObject:
    schema = _annotated_schema(field.annotation, field.metadata)
    if field.description:
        schema["description"] = field.description
    return schema


def _annotated_schema(annotation: Any, metadata: Sequence[Any]) -> JsonObject:
    """Return the schema of a type, with what its annotations say on top."""
    schema = _type_schema(annotation)
    for said in metadata:
        if isinstance(said, Schema):
            schema = _with_said(schema, said)
    if schema.get("type") == "integer":
        schema["format"] = "int32" if schema.get("maximum", _INT32_MAX + 1) <= _INT32_MAX else "int64"
    return schema


def _type_schema(annotation: Any) -> JsonObject:
    """Return the schema of a Python type.

    Raises:
        TypeError: The type has no counterpart in a structural schema.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated_schema(arguments[0], arguments[1:])
    if origin in (Union, types.UnionType):
        return _union_schema([argument for argument in arguments if argument is not types.NoneType])
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _type_schema(arguments[0])}
    if origin is dict:
        return _mapping_schema(arguments[1])
    if isinstance(annotation, type):
        return _plain_type_schema(annotation)
    raise TypeError(f"no schema for type {annotation!r}")


def _plain_type_schema(annotation: type) -> JsonObject:
    if issubclass(annotation, KubeModel):
        return _model_schema(annotation)
    if issubclass(annotation, StrEnum):
        return {"type": "string", "enum": [member.value for member in annotation]}
    if issubclass(annotation, datetime):
        return {"type": "string", "format": "date-time"}
    names = {str: "string", bool: "boolean", int: "integer"}
    if annotation not in names:
        raise TypeError(f"no schema for type {annotation!r}")
    return {"type": names[annotation]}


def _union_schema(members: Sequence[Any]) -> JsonObject:
    if set(members) == {str, int}:
        return {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
    if len(members) != 1:
        raise TypeError(f"no schema for a union of {members!r}")
    return _type_schema(members[0])


def _mapping_schema(value: Any) -> JsonObject:
    return {"type": "object"} if value is Any else {"type": "object", "additionalProperties": _type_schema(value)}


_SCHEMA_KEYS: Mapping[str, str] = {
    "default": "default",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
    "minimum": "minimum",
    "maximum": "maximum",
    "min_items": "minItems",
    "max_items": "maxItems",
    "max_properties": "maxProperties",
}


def _with_said(schema: JsonObject, said: Schema) -> JsonObject:
    bounds = {wire: getattr(said, name) for name, wire in _SCHEMA_KEYS.items() if getattr(said, name) is not None}
    if said.preserve_unknown_fields:
        bounds["x-kubernetes-preserve-unknown-fields"] = True
    return _with_rules(schema | bounds | dict(said.extra or {}), said.rules)


def _with_rules(schema: JsonObject, rules: Sequence[Rule]) -> JsonObject:
    if not rules:
        return schema
    return schema | {"x-kubernetes-validations": [_rule(rule) for rule in rules]}


def _rule(rule: Rule) -> JsonObject:
    wire: JsonObject = {"rule": rule.rule, "message": rule.message}
    if rule.field_path:
        wire["fieldPath"] = rule.field_path
    if rule.is_missing:
        wire["reason"] = "FieldValueRequired"
    return wire


def _condition_types(types: Mapping[str, str]) -> str:
    """Return what the description of `conditions` says of a kind's types, the one to wait for first."""
    if not types:
        return " This kind has none."
    meanings = [f" {name}: {meaning}." for name, meaning in types.items()]
    return f" Wait with `kubectl wait --for=condition={next(iter(types))}`." + "".join(meanings)


def _summary(model: type[KubeModel]) -> str:
    """Return the first paragraph of the class's docstring: `kubectl explain` shows it."""
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())
