"""A definition in kube-apiserver's internal form: what all versions share is moved to the top level.

Errors of `crd_spec` and `crd_schema` use paths of this form and print values with Go's field names, so that users read
`spec.validation.openAPIV3Schema` for a definition with one version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from kubechain_apiserver.wire.field_errors import Verbatim, go_json
from kubechain_apiserver.wire.json_types import JsonObject

_HOISTED: Final[Mapping[str, str]] = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
"""Fields that versions may share, and their names at the top level."""

Fields = Sequence[tuple[str, str]]
"""JSON names and Go types, in the order of the Go struct."""

_ABSENT: Final[Mapping[str, str]] = {"string": '""', "bool": "false", "int32": "0"}
"""How an absent value is printed, by its type; `null` for all others."""

_VERSION: Final[Fields] = (
    ("name", "string"),
    ("served", "bool"),
    ("storage", "bool"),
    ("deprecated", "bool"),
    ("deprecationWarning", "*string"),
    ("schema", "*CustomResourceValidation"),
    ("subresources", "*CustomResourceSubresources"),
    ("additionalPrinterColumns", "[]CustomResourceColumnDefinition"),
    ("selectableFields", "[]SelectableField"),
)
_COLUMN: Final[Fields] = (
    ("name", "string"),
    ("type", "string"),
    ("format", "string"),
    ("description", "string"),
    ("priority", "int32"),
    ("jsonPath", "string"),
)
_SCALE: Final[Fields] = (
    ("specReplicasPath", "string"),
    ("statusReplicasPath", "string"),
    ("labelSelectorPath", "*string"),
)
RULE: Final[Fields] = (
    ("rule", "string"),
    ("message", "string"),
    ("messageExpression", "string"),
    ("reason", "*FieldValueErrorReason"),
    ("fieldPath", "string"),
    ("optionalOldSelf", "*bool"),
)
SCHEMA: Final[Fields] = (
    ("id", "string"),
    ("$schema", "string"),
    ("$ref", "*string"),
    ("description", "string"),
    ("type", "string"),
    ("nullable", "bool"),
    ("format", "string"),
    ("title", "string"),
    ("default", "*JSON"),
    ("maximum", "*float64"),
    ("exclusiveMaximum", "bool"),
    ("minimum", "*float64"),
    ("exclusiveMinimum", "bool"),
    ("maxLength", "*int64"),
    ("minLength", "*int64"),
    ("pattern", "string"),
    ("maxItems", "*int64"),
    ("minItems", "*int64"),
    ("uniqueItems", "bool"),
    ("multipleOf", "*float64"),
    ("enum", "[]JSON"),
    ("maxProperties", "*int64"),
    ("minProperties", "*int64"),
    ("required", "[]string"),
    ("items", "*JSONSchemaPropsOrArray"),
    ("allOf", "[]JSONSchemaProps"),
    ("oneOf", "[]JSONSchemaProps"),
    ("anyOf", "[]JSONSchemaProps"),
    ("not", "*JSONSchemaProps"),
    ("properties", "map[string]JSONSchemaProps"),
    ("additionalProperties", "*JSONSchemaPropsOrBool"),
    ("patternProperties", "map[string]JSONSchemaProps"),
    ("dependencies", "JSONSchemaDependencies"),
    ("additionalItems", "*JSONSchemaPropsOrBool"),
    ("definitions", "JSONSchemaDefinitions"),
    ("externalDocs", "*ExternalDocumentation"),
    ("example", "*JSON"),
    ("x-kubernetes-preserve-unknown-fields", "*bool"),
    ("x-kubernetes-embedded-resource", "bool"),
    ("x-kubernetes-int-or-string", "bool"),
    ("x-kubernetes-list-map-keys", "[]string"),
    ("x-kubernetes-list-type", "*string"),
    ("x-kubernetes-map-type", "*string"),
    ("x-kubernetes-validations", "ValidationRules"),
)
_LISTS: Final[Mapping[str, Fields]] = {
    "[]CustomResourceColumnDefinition": _COLUMN,
    "[]SelectableField": (("jsonPath", "string"),),
    "ValidationRules": RULE,
    "[]JSONSchemaProps": SCHEMA,
}
_GO_NAMES: Final[Mapping[str, str]] = {"id": "ID", "jsonPath": "JSONPath", "openAPIV3Schema": "OpenAPIV3Schema"}


def hoisted(spec: JsonObject) -> JsonObject:
    """Return a spec in which fields that all versions share are at the top level, and only there."""
    versions: list[JsonObject] = spec.get("versions") or []
    made = {**spec, "versions": [dict(version) for version in versions]}
    if not versions:
        return made
    made["version"] = versions[0].get("name") or ""
    for name, above in _HOISTED.items():
        first = versions[0].get(name)
        if all((version.get(name) or None) == (first or None) for version in versions):
            made[above] = first
            for version in made["versions"]:
                version.pop(name, None)
    return made


def go_name(name: str) -> str:
    """Return Go's name of a field."""
    if name in _GO_NAMES:
        return _GO_NAMES[name]
    words = name.removeprefix("$").replace("x-kubernetes-", "x-").split("-")
    return "".join(word[:1].upper() + word[1:] for word in words)


def shown_versions(versions: Sequence[JsonObject]) -> Verbatim:
    """Return versions as errors print them."""
    return Verbatim(f"[{','.join(_fields(version, _VERSION) for version in versions)}]")


def shown_rule(rule: JsonObject) -> Verbatim:
    """Return an entry of `x-kubernetes-validations` as errors print it."""
    return Verbatim(_fields(rule, RULE))


def shown_schema(schema: JsonObject) -> Verbatim:
    """Return a schema as errors print it."""
    return Verbatim(_fields(schema, SCHEMA))


def is_said(value: Any) -> bool:
    """Return whether a field is set: whether Go would write it to JSON."""
    return value is not None and value is not False and value != ""


def _fields(value: JsonObject, fields: Fields) -> str:
    parts = [f'"{go_name(name)}":{_shown(value.get(name), type_)}' for name, type_ in fields]
    return f"{{{','.join(parts)}}}"


def _shown(value: Any, type_: str) -> str:
    if value is None:
        return _ABSENT.get(type_, "null")
    match type_.removeprefix("*"), value:
        case "CustomResourceValidation", dict():
            return (
                f'{{"OpenAPIV3Schema":{_shown(cast("JsonObject", value).get("openAPIV3Schema"), "JSONSchemaProps")}}}'
            )
        case "CustomResourceSubresources", dict():
            return _subresources(cast("JsonObject", value))
        case structs, list() if structs in _LISTS:
            return f"[{','.join(_fields(one, _LISTS[structs]) for one in cast('list[JsonObject]', value))}]"
        case (("map[string]JSONSchemaProps" | "JSONSchemaDefinitions"), dict()):
            below = cast("Mapping[str, JsonObject]", value)
            return "{" + ",".join(f"{go_json(key)}:{_fields(below[key], SCHEMA)}" for key in sorted(below)) + "}"
        case "JSONSchemaProps", dict():
            return _fields(cast("JsonObject", value), SCHEMA)
        case "JSONSchemaPropsOrArray", dict():
            return f'{{"Schema":{_fields(cast("JsonObject", value), SCHEMA)},"JSONSchemas":null}}'
        case "JSONSchemaPropsOrBool", dict():
            return f'{{"Allows":true,"Schema":{_fields(cast("JsonObject", value), SCHEMA)}}}'
        case "JSONSchemaPropsOrBool", bool():
            return f'{{"Allows":{go_json(value)},"Schema":null}}'
        case _:
            return go_json(value)


def _subresources(value: JsonObject) -> str:
    status = "{}" if value.get("status") is not None else "null"
    scale = value.get("scale")
    return f'{{"Status":{status},"Scale":{_fields(scale, _SCALE) if scale else "null"}}}'
