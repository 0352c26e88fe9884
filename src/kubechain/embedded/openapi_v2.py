"""OpenAPI v2: one document with every definition, for older clients and for kubectl's own checks.

Called by `documents`. Made from the v3 schemas, of which v2 can say less: what it has no word for is dropped, as
kube-apiserver does. The protobuf form is in `openapi_protobuf`.
"""

from __future__ import annotations

from typing import Any, Final, cast

from kubechain.embedded import openapi
from kubechain.embedded.discovery import Discovery
from kubechain.embedded.registry import JsonObject
from kubechain.embedded.versions import GIT_VERSION

REFERENCE: Final = "#/definitions/"
_UNKNOWN_TO_V2: Final = frozenset({"oneOf", "anyOf", "not", "nullable", "x-kubernetes-validations"})


def document(discovery: Discovery) -> JsonObject:
    """Return the document of everything that is served."""
    own: JsonObject = {}
    paths: JsonObject = {}
    for group, version in discovery.group_versions():
        for info in discovery.resources(group, version):
            own |= openapi.schemas(info)
    definitions = openapi.with_references(own, [openapi.META + "DeleteOptions", openapi.META + "Status"])
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": paths,
        "definitions": {name: downgrade(schema) for name, schema in definitions.items()},
    }


def downgrade(schema: JsonObject) -> JsonObject:
    """Return a v3 schema in the words of v2."""
    only = schema.get("allOf")
    if only and len(only) == 1 and "$ref" in only[0]:
        reference = REFERENCE + only[0]["$ref"].removeprefix(openapi.REFERENCE)
        described = {"description": schema["description"]} if "description" in schema else {}
        return {**described, "$ref": reference}
    return {key: _keyword(key, value) for key, value in schema.items() if _is_said(key, schema)}


def _is_said(key: str, schema: JsonObject) -> bool:
    if key in _UNKNOWN_TO_V2 or key == "allOf":
        return False
    return not (key == "type" and (schema.get("nullable") or schema.get("x-kubernetes-int-or-string")))


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
