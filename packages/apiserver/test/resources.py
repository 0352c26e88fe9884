"""Resources for tests: a small custom kind, and a registry that has it."""

from __future__ import annotations

from typing import Any

from kubechain_apiserver.wire.registry import PrinterColumn, Registry, ResourceInfo

SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A thing to do.",
    "properties": {
        "spec": {
            "type": "object",
            "description": "What is wanted.",
            "required": ["message"],
            "properties": {
                "message": {"type": "string", "description": "What to say.", "minLength": 1},
                "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                "count": {"type": "integer", "nullable": True, "minimum": 0},
                "tags": {"type": "array", "items": {"type": "string"}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    },
}

COLUMNS = (
    PrinterColumn("Phase", "string", ".status.phase"),
    PrinterColumn("Message", "string", ".spec.message", priority=1),
)


def a_resource(**more: Any) -> ResourceInfo:
    """Return the kind Task of g.io/v1, changed as told."""
    given: dict[str, Any] = {
        "group": "g.io",
        "version": "v1",
        "kind": "Task",
        "list_kind": "TaskList",
        "plural": "tasks",
        "singular": "task",
        "short_names": ("tk",),
        "categories": ("kubechain",),
        "custom": True,
        "has_status": True,
        "subresources": ("status",),
        "schema": SCHEMA,
        "columns": COLUMNS,
    }
    return ResourceInfo(**{**given, **more})


def secrets() -> ResourceInfo:
    """Return the built-in kind Secret."""
    return ResourceInfo("", "v1", "Secret", "SecretList", "secrets", "secret")


def namespaces() -> ResourceInfo:
    """Return the built-in kind Namespace."""
    names = ("Namespace", "NamespaceList", "namespaces", "namespace")
    return ResourceInfo("", "v1", *names, namespaced=False, has_status=True, subresources=("finalize", "status"))


def a_registry(*more: ResourceInfo) -> Registry:
    """Return a registry with Secret, Namespace and Task."""
    return Registry([secrets(), namespaces(), a_resource(), *more])


def a_crd() -> dict[str, Any]:
    """Return the definition of the kind Task."""
    version: dict[str, Any] = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": SCHEMA},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": c.name, "type": c.type, "jsonPath": c.json_path, "priority": c.priority} for c in COLUMNS
        ],
    }
    names = {
        "kind": "Task",
        "listKind": "TaskList",
        "plural": "tasks",
        "singular": "task",
        "shortNames": ["tk"],
        "categories": ["kubechain"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "tasks.g.io"},
        "spec": {"group": "g.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }
