"""The kinds that cases use: Widget, namespaced, with a schema that has one of everything; Gadget, cluster-wide."""

from __future__ import annotations

from typing import Any

GROUP = "conformance.example.com"
API = f"/apis/{GROUP}/v1"
WIDGETS = f"{API}/namespaces/$ns/widgets"
ALL_WIDGETS = f"{API}/widgets"
GADGETS = f"{API}/gadgets"
CORE = "/api/v1/namespaces/$ns"
CONFIG_MAPS = f"{CORE}/configmaps"
SECRETS = f"{CORE}/secrets"
EVENTS = f"{CORE}/events"
NEW_EVENTS = "/apis/events.k8s.io/v1/namespaces/$ns/events"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/$ns/leases"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

_STRING: dict[str, Any] = {"type": "string"}
_SPEC: dict[str, Any] = {
    "type": "object",
    "description": "What is wanted.",
    "required": ["message"],
    "x-kubernetes-validations": [
        {"rule": "!has(self.a) || !has(self.b)", "message": "a and b exclude each other"},
        {"rule": "self.message == oldSelf.message", "message": "message is immutable", "fieldPath": ".message"},
        {
            "rule": "self.lo <= self.hi",
            "messageExpression": "'lo is above ' + 'hi'",
            "reason": "FieldValueForbidden",
        },
    ],
    "properties": {
        "message": {"type": "string", "minLength": 1, "maxLength": 20, "description": "What to say."},
        "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
        "a": _STRING,
        "b": _STRING,
        "lo": {"type": "integer", "default": 1},
        "hi": {"type": "integer", "default": 5, "minimum": 2, "maximum": 10, "format": "int32"},
        "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        "code": {"type": "string", "pattern": "^[CU][A-Z0-9]+$"},
        "tags": {"type": "array", "items": _STRING, "x-kubernetes-list-type": "set"},
        "plain": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
        "ports": {
            "type": "array",
            "maxItems": 2,
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": _STRING,
                    "port": {"type": "integer"},
                    "protocol": {"type": "string", "default": "TCP"},
                },
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "atomic": {"type": "object", "additionalProperties": _STRING, "x-kubernetes-map-type": "atomic"},
        "when": {"type": "string", "format": "date-time"},
        "either": {"x-kubernetes-int-or-string": True},
        "maybe": {"type": "string", "nullable": True},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "one": {
            "type": "object",
            "properties": {"x": _STRING, "y": _STRING},
            "oneOf": [{"required": ["x"]}, {"required": ["y"]}],
        },
        "nested": {"type": "object", "properties": {"deep": {"type": "string", "default": "down"}}},
    },
}
_STATUS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "phase": {"type": "string", "enum": ["A", "B"]},
        "n": {"type": "integer"},
        "conditions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": _STRING, "status": _STRING, "message": _STRING},
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    },
}
_COLUMNS = [
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "description": "How far it is."},
    {"name": "Message", "type": "string", "jsonPath": ".spec.message", "priority": 1},
    {"name": "Lo", "type": "integer", "jsonPath": ".spec.lo"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]
_SIMPLE: dict[str, Any] = {
    "type": "object",
    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
}


def definition(
    kind: str, versions: list[dict[str, Any]], *, group: str = GROUP, scope: str = "Namespaced", **names: Any
) -> dict[str, Any]:
    """Return a CRD."""
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, **names},
            "versions": versions,
        },
    }


def version(name: str, schema: dict[str, Any] | None = None, *, storage: bool = True, **more: Any) -> dict[str, Any]:
    """Return a version of a CRD."""
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema or _SIMPLE},
        **more,
    }


def definitions() -> list[dict[str, Any]]:
    """Return the CRDs that both servers have."""
    schema = {"type": "object", "description": "A thing.", "properties": {"spec": _SPEC, "status": _STATUS}}
    widget = version(
        "v1",
        schema,
        subresources={"status": {}},
        selectableFields=[{"jsonPath": ".spec.color"}],
        additionalPrinterColumns=_COLUMNS,
    )
    older = version("v1beta1", storage=False, deprecated=True, deprecationWarning="Gadgets are of v1 now")
    return [
        definition("Widget", [widget], shortNames=["wdg"], categories=["toys"]),
        definition("Gadget", [version("v1"), older], scope="Cluster"),
    ]


def widget(name: str, spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a Widget."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": name, **metadata},
        "spec": {"message": "hi"} if spec is None else spec,
    }


def gadget(name: str, version: str = "v1", **metadata: Any) -> dict[str, Any]:
    """Return a Gadget."""
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "Gadget",
        "metadata": {"name": name, **metadata},
        "spec": {"size": 1},
    }


def config_map(name: str, data: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        "data": {"a": "1"} if data is None else data,
    }
