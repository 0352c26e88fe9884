"""Where the embedded server differs on purpose: the table behind docs/api-server.md.

A case named here is run too, and must fail: an omission that no longer is one has to go.
"""

from __future__ import annotations

from collections.abc import Mapping

_PATH = "OpenAPI v3: path /apis/conformance.example.com/v1/namespaces/{namespace}/widgets"

OMISSIONS: Mapping[str, Mapping[str, str]] = {
    "conflicts and preconditions": {
        "a merge patch with another uid": "patch refusals",
    },
    "patches": {
        "merge patch: an unknown field is refused under Strict": "patch refusals",
        "merge patch: the version cannot change": "patch refusals",
        "merge patch: a label that is none": "patch refusals",
        "merge patch: the wrong type in a ConfigMap": "patch refusals",
        "merge patch: an unknown field of a ConfigMap under Strict": "patch refusals",
        "strategic merge patch: the wrong type": "patch refusals",
    },
    "server-side apply": {
        "a value of the wrong type": "apply refusals",
        "a list where the schema has a map": "apply refusals",
        "a key twice in a list with keys": "apply refusals",
        "an element without its key": "apply refusals",
        "an element twice in a set": "apply refusals",
        "text that is neither YAML nor JSON": "apply refusals",
        "managedFields are reset by an empty list": "managed fields",
        "a ConfigMap, a value of the wrong type": "apply refusals",
    },
    "validation": {
        "spec: a whole number with a point for an integer": "exotic bodies",
        "metadata: it is a text": "exotic bodies",
        "metadata: two controllers": "exotic bodies",
        "another kind": "exotic bodies",
        "another version": "exotic bodies",
        "Secret: of a docker type": "exotic bodies",
        "Lease: a text for a number": "exotic bodies",
    },
    "defaults, pruning, unknown fields": {
        "fields twice in YAML, by default": "encodings",
        "fields twice in YAML, Warn": "encodings",
        "fields twice in YAML, Strict": "encodings",
        "unknown fields of a ConfigMap, Strict": "exotic bodies",
        "fields of a ConfigMap twice, by default": "exotic bodies",
        "fields of a ConfigMap twice, Warn": "exotic bodies",
        "fields of a ConfigMap twice, Ignore": "exotic bodies",
        "fields of a merge patch twice": "exotic bodies",
    },
    "lists and pages": {
        "metadata only, the wrong form": "exotic bodies",
    },
    "watches": {
        "a version that is too old": "history",
    },
    "deletion": {
        "no finalizer may be added meanwhile": "patch refusals",
        "options that are not JSON": "exotic bodies",
        "options of another kind": "exotic bodies",
        "orphans stay, without the owner": "managed fields",
    },
    "tables": {
        "CustomResourceDefinition": "managed fields",
    },
    "discovery and OpenAPI": {
        "core: pods": "pods",
        "aggregated: core: pods": "pods",
        "OpenAPI v3: the index has the group": "openapi paths",
        "OpenAPI v3: schema Widget": "openapi paths",
        "OpenAPI v3: schema WidgetList": "openapi paths",
        "OpenAPI v3: path /apis/conformance.example.com/v1/widgets": "openapi paths",
        _PATH: "openapi paths",
        f"{_PATH}/{{name}}": "openapi paths",
        f"{_PATH}/{{name}}/status": "openapi paths",
        "OpenAPI v3: core schema apimachinery.pkg.apis.meta.v1.Status": "openapi paths",
        "OpenAPI v3: a group that does not exist": "openapi paths",
        "OpenAPI v2: definition Widget": "openapi paths",
        "OpenAPI v2: definition WidgetList": "openapi paths",
        "OpenAPI v2: a path": "openapi paths",
        "without a token": "authorization",
    },
}
"""Area, case, and the name of the omission in docs/api-server.md."""


def omitted(area: str, name: str) -> str | None:
    """Return which documented omission a case falls under, or None."""
    return OMISSIONS.get(area, {}).get(name)
