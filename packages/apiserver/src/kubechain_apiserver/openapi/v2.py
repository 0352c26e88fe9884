"""OpenAPI v2: one document with every definition, for older clients and for kubectl's validation.

It is converted from the v3 schemas; keywords that v2 lacks are dropped, as kube-apiserver does. `protobuf` encodes it.
"""

from __future__ import annotations

import base64
from functools import cache
from typing import Any, Final, cast

import orjson

from kubechain_apiserver.openapi import v3 as openapi
from kubechain_apiserver.openapi.discovery import Discovery
from kubechain_apiserver.openapi.operations import ANSWERS, MEDIA, Operation, Parameter, PathItem
from kubechain_apiserver.openapi.versions import GIT_VERSION
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

REFERENCE: Final = "#/definitions/"
_UNKNOWN_TO_V2: Final = frozenset({"allOf", "oneOf", "anyOf", "not", "nullable", "default"})
_OF_WHOLE: Final = ("x-kubernetes-group-version-kind", "x-kubernetes-selectable-fields")
_UNSHARED: Final = frozenset({"name", "dryRun", "fieldValidation"})
"""Parameters that are written at each operation: older versions of kubectl look for them there."""

_BEARER_TOKEN: Final = {
    "description": "Bearer Token authentication",
    "type": "apiKey",
    "name": "authorization",
    "in": "header",
}


def document(discovery: Discovery) -> JsonObject:
    """Return the document of all served resources."""
    shared: JsonObject = {}
    infos = _all(discovery)
    return {
        **without_paths(discovery),
        "paths": {path.path: _path_item(path, shared) for info in infos for path in openapi.paths(info)},
        "parameters": dict(sorted(shared.items())),
        "securityDefinitions": {"BearerToken": _BEARER_TOKEN},
        "security": [{"BearerToken": []}],
    }


def without_paths(discovery: Discovery) -> JsonObject:
    """Return the part of the document that clients read as protobuf."""
    infos = _all(discovery)
    own: JsonObject = {}
    for info in infos:
        own |= openapi.schemas(info)
    found = openapi.with_references(own, [*openapi.META_KINDS, *openapi.answers(infos)])
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "definitions": {name: _whole(schema) for name, schema in found.items()},
    }


def _all(discovery: Discovery) -> list[ResourceInfo]:
    return [info for group, version in discovery.group_versions() for info in discovery.resources(group, version)]


def _path_item(path: PathItem, shared: JsonObject) -> JsonObject:
    common = path.shared
    item: JsonObject = {one.method: _operation(one, common, shared) for one in path.operations}
    return {**item, "parameters": [_parameter(one, shared) for one in common]}


def _operation(operation: Operation, common: tuple[Parameter, ...], shared: JsonObject) -> JsonObject:
    own = [_parameter(one, shared) for one in operation.parameters if one not in common]
    answer = {"$ref": REFERENCE + operation.answer}
    made: JsonObject = {
        "description": operation.description,
        "consumes": list(operation.consumes),
        "produces": list(MEDIA),
        "schemes": ["https"],
        "tags": [operation.tag],
        "operationId": operation.id,
        "responses": {
            **{code: {"description": ANSWERS[code], "schema": answer} for code in operation.codes},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": operation.kind,
    }
    parameters = [_body(operation, shared), *own] if operation.body else own
    return {**made, "parameters": parameters} if parameters else made


def _body(operation: Operation, shared: JsonObject) -> JsonObject:
    required = {"required": True} if operation.body_is_required else {}
    made = {"name": "body", "in": "body", **required, "schema": {"$ref": REFERENCE + operation.body}}
    return _reference("body", made, shared) if operation.body in openapi.META_KINDS else made


def _parameter(parameter: Parameter, shared: JsonObject) -> JsonObject:
    made: JsonObject = {
        "uniqueItems": True,
        "type": parameter.type,
        "description": parameter.description,
        "name": parameter.name,
        "in": parameter.place,
    }
    if parameter.place == "path":
        made["required"] = True
    return made if parameter.name in _UNSHARED else _reference(parameter.name, made, shared)


def _reference(name: str, parameter: JsonObject, shared: JsonObject) -> JsonObject:
    """Return a reference to a shared parameter, and add the parameter under a name derived from it."""
    key = f"{name}-{_short_hash(orjson.dumps(parameter).decode())}"
    shared[key] = parameter
    return {"$ref": f"#/parameters/{key}"}


@cache
def _short_hash(text: str) -> str:
    """FNV-1, from which kube-openapi derives names of parameters."""
    found = 0xCBF29CE484222325
    for byte in text.encode():
        found = (found * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF) ^ byte
    return base64.urlsafe_b64encode(found.to_bytes(8, "big")[:6]).decode()


def _whole(schema: JsonObject) -> JsonObject:
    """Return a schema of a resource without its fields, so that kubectl does not refuse unknown ones."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return {"type": "object", **{key: schema[key] for key in _OF_WHOLE if key in schema}}
    return downgrade(schema)


def downgrade(schema: JsonObject) -> JsonObject:
    """Convert a v3 schema to v2."""
    only = schema.get("allOf")
    if only and len(only) == 1 and "$ref" in only[0]:
        reference = REFERENCE + only[0]["$ref"].removeprefix(openapi.REFERENCE)
        described = {"description": schema["description"]} if "description" in schema else {}
        return {**described, "$ref": reference}
    unsaid = _unsaid(schema)
    made = {key: _keyword(key, value) for key, value in schema.items() if key not in unsaid}
    if "required" in made:
        made["required"] = [name for name in made["required"] if _is_needed(name, schema)]
    return {key: value for key, value in made.items() if key != "required" or value}


def _is_needed(name: str, schema: JsonObject) -> bool:
    """Whether v2 lists a field as required: not if it may be null, and not if no field is named."""
    fields: JsonObject = schema.get("properties") or {}
    of_free_resource = name in {"apiVersion", "kind"} and schema.get("x-kubernetes-preserve-unknown-fields")
    return not of_free_resource and not fields.get(name, {}).get("nullable")


def _unsaid(schema: JsonObject) -> set[str]:
    """Return the keywords that v2 lacks, or that kubectl misreads in a v2 document."""
    unsaid = {*_UNKNOWN_TO_V2}
    free = schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("nullable") or free:
        unsaid |= {"items", "properties"}
    if schema.get("nullable") or schema.get("x-kubernetes-int-or-string"):
        unsaid.add("type")
    if schema.get("type") == "array" and ("items" not in schema or "items" in unsaid):
        unsaid.add("type")
    if free and schema.get("type") == "object":
        unsaid.add("type")
    return unsaid


def _keyword(key: str, value: Any) -> Any:
    match key, value:
        case "properties", dict():
            return {name: downgrade(one) for name, one in cast("JsonObject", value).items()}
        case (("items" | "additionalProperties"), dict()):
            return downgrade(cast("JsonObject", value))
        case "$ref", str():
            return REFERENCE + value.removeprefix(openapi.REFERENCE)
        case _:
            return value
