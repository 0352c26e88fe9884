"""Where the embedded server differs on purpose: the table behind docs/api-server.md.

A case named here is run too, and must fail: an omission that no longer is one has to go.
"""

from __future__ import annotations

from collections.abc import Mapping

_PATH = "OpenAPI v3: path /apis/conformance.example.com/v1/namespaces/{namespace}/widgets"

OMISSIONS: Mapping[str, Mapping[str, str]] = {
    "validation": {
        "spec: a whole number with a point for an integer": "exotic bodies",
    },
    "watches": {
        "a version that is too old": "history",
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
