"""A definition as kube-apiserver sees it inside: what all versions have alike stands once, above them.

The complaints of `crd_spec` and `crd_schema` name paths of this form, and quote parts of it with Go's field names, so
users read `spec.validation.openAPIV3Schema` of a definition with one version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from kubechain.embedded.field_errors import Verbatim, go_json

JsonObject = dict[str, Any]

_HOISTED: Final[Mapping[str, str]] = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
"""What versions may have in common, and how it is called above them."""

Fields = Sequence[tuple[str, Any]]
"""JSON names in Go's order, and what is shown for one that is absent."""

_VERSION: Final[Fields] = (
    ("name", ""),
    ("served", False),
    ("storage", False),
    ("deprecated", False),
    ("deprecationWarning", None),
    ("schema", None),
    ("subresources", None),
    ("additionalPrinterColumns", None),
    ("selectableFields", None),
)
_COLUMN: Final[Fields] = (
    ("name", ""),
    ("type", ""),
    ("format", ""),
    ("description", ""),
    ("priority", 0),
    ("jsonPath", ""),
)
_SCALE: Final[Fields] = (("specReplicasPath", ""), ("statusReplicasPath", ""), ("labelSelectorPath", None))
_RULE: Final[Fields] = (
    ("rule", ""),
    ("message", ""),
    ("messageExpression", ""),
    ("reason", None),
    ("fieldPath", ""),
    ("optionalOldSelf", None),
)
SCHEMA: Final[Fields] = (
    ("id", ""),
    ("$schema", ""),
    ("$ref", None),
    ("description", ""),
    ("type", ""),
    ("nullable", False),
    ("format", ""),
    ("title", ""),
    ("default", None),
    ("maximum", None),
    ("exclusiveMaximum", False),
    ("minimum", None),
    ("exclusiveMinimum", False),
    ("maxLength", None),
    ("minLength", None),
    ("pattern", ""),
    ("maxItems", None),
    ("minItems", None),
    ("uniqueItems", False),
    ("multipleOf", None),
    ("enum", None),
    ("maxProperties", None),
    ("minProperties", None),
    ("required", None),
    ("items", None),
    ("allOf", None),
    ("oneOf", None),
    ("anyOf", None),
    ("not", None),
    ("properties", None),
    ("additionalProperties", None),
    ("patternProperties", None),
    ("dependencies", None),
    ("additionalItems", None),
    ("definitions", None),
    ("externalDocs", None),
    ("example", None),
    ("x-kubernetes-preserve-unknown-fields", None),
    ("x-kubernetes-embedded-resource", False),
    ("x-kubernetes-int-or-string", False),
    ("x-kubernetes-list-map-keys", None),
    ("x-kubernetes-list-type", None),
    ("x-kubernetes-map-type", None),
    ("x-kubernetes-validations", None),
)
_GO_NAMES: Final[Mapping[str, str]] = {"id": "ID", "jsonPath": "JSONPath", "openAPIV3Schema": "OpenAPIV3Schema"}


def hoisted(spec: JsonObject) -> JsonObject:
    """Return a spec in which what is the same in all versions stands above them, and only there."""
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
    """Return how Go calls a field."""
    if name in _GO_NAMES:
        return _GO_NAMES[name]
    words = name.removeprefix("$").replace("x-kubernetes-", "x-").split("-")
    return "".join(word[:1].upper() + word[1:] for word in words)


def shown_versions(versions: Sequence[JsonObject]) -> Verbatim:
    """Return versions as a complaint quotes them."""
    return Verbatim(f"[{','.join(_fields(version, _VERSION) for version in versions)}]")


def shown_rule(rule: JsonObject) -> Verbatim:
    """Return an entry of `x-kubernetes-validations` as a complaint quotes it."""
    return Verbatim(_fields(rule, _RULE))


def shown_schema(schema: JsonObject) -> Verbatim:
    """Return a schema as a complaint quotes it."""
    return Verbatim(_fields(schema, SCHEMA))


def _fields(value: JsonObject, fields: Fields) -> str:
    parts: list[str] = []
    for name, absent in fields:
        given = value.get(name)
        parts.append(f'"{go_name(name)}":{_shown(name, absent if given is None else given)}')
    return f"{{{','.join(parts)}}}"


def _shown(name: str, value: Any) -> str:
    match name, value:
        case ("schema", dict()):
            schema = cast("dict[str, JsonObject]", value).get("openAPIV3Schema")
            return f'{{"OpenAPIV3Schema":{"null" if schema is None else _fields(schema, SCHEMA)}}}'
        case ("subresources", dict()):
            return _subresources(cast("JsonObject", value))
        case ("additionalPrinterColumns", list()):
            return _list(cast("list[JsonObject]", value), _COLUMN)
        case ("selectableFields", list()):
            return _list(cast("list[JsonObject]", value), (("jsonPath", ""),))
        case ("x-kubernetes-validations", list()):
            return _list(cast("list[JsonObject]", value), _RULE)
        case (("allOf" | "oneOf" | "anyOf"), list()):
            return _list(cast("list[JsonObject]", value), SCHEMA)
        case (("properties" | "patternProperties" | "definitions"), dict()):
            below = cast("Mapping[str, JsonObject]", value)
            return "{" + ",".join(f"{go_json(key)}:{_fields(below[key], SCHEMA)}" for key in sorted(below)) + "}"
        case ("not", dict()):
            return _fields(cast("JsonObject", value), SCHEMA)
        case ("items", dict()):
            return f'{{"Schema":{_fields(cast("JsonObject", value), SCHEMA)},"JSONSchemas":null}}'
        case (("additionalProperties" | "additionalItems"), dict()):
            return f'{{"Allows":true,"Schema":{_fields(cast("JsonObject", value), SCHEMA)}}}'
        case (("additionalProperties" | "additionalItems"), bool()):
            return f'{{"Allows":{go_json(value)},"Schema":null}}'
        case _:
            return go_json(value)


def _list(values: Sequence[JsonObject], fields: Fields) -> str:
    return f"[{','.join(_fields(value, fields) for value in values)}]"


def _subresources(value: JsonObject) -> str:
    status = "{}" if value.get("status") is not None else "null"
    scale = value.get("scale")
    return f'{{"Status":{status},"Scale":{_fields(scale, _SCALE) if scale else "null"}}}'
