"""Builders for tests of the engine: a kind with a bit of everything, its objects, and an engine that serves it."""

from __future__ import annotations

from typing import Any

from kubechain_apiserver.engine.engine import Engine
from kubechain_apiserver.engine.options import ListOptions, WriteOptions
from kubechain_apiserver.store.environment import SeededEnvironment
from kubechain_apiserver.store.history import History
from kubechain_apiserver.store.storage import Storage
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

GROUP = "example.com"
API_VERSION = f"{GROUP}/v1"

SPEC_SCHEMA: JsonObject = {
    "type": "object",
    "required": ["message"],
    "x-kubernetes-validations": [
        {"rule": "!has(self.a) || !has(self.b)", "message": "a and b exclude each other"},
        {"rule": "self.message == oldSelf.message", "message": "message is immutable", "fieldPath": ".message"},
        {
            "rule": "self.low <= self.high",
            "messageExpression": "'low ' + string(self.low) + ' is above high'",
            "reason": "FieldValueForbidden",
        },
    ],
    "properties": {
        "message": {"type": "string", "minLength": 1, "maxLength": 20},
        "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
        "a": {"type": "string"},
        "b": {"type": "string"},
        "low": {"type": "integer", "default": 1},
        "high": {"type": "integer", "format": "int32", "default": 5, "minimum": 2, "maximum": 10},
        "channel": {"type": "string", "pattern": "^[CU][A-Z0-9]+$"},
        "when": {"type": "string", "format": "date-time"},
        "either": {"x-kubernetes-int-or-string": True},
        "maybe": {"type": "string", "nullable": True},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "ports": {
            "type": "array",
            "maxItems": 2,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
            },
        },
    },
}

STATUS_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"phase": {"type": "string", "enum": ["A", "B"]}, "count": {"type": "integer"}},
}


def a_crd(*, spec: JsonObject | None = None, versions: tuple[str, ...] = ("v1",)) -> JsonObject:
    """The definition of Widget; the last version is the stored one."""
    schema = {"type": "object", "properties": {"spec": spec or SPEC_SCHEMA, "status": STATUS_SCHEMA}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == versions[-1],
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                    "selectableFields": [{"jsonPath": ".spec.color"}],
                }
                for version in versions
            ],
        },
    }


def a_widget(name: str = "w", *, spec: JsonObject | None = None, version: str = "v1", **metadata: Any) -> JsonObject:
    """A Widget; a `spec` replaces the valid one."""
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "Widget",
        "metadata": {"name": name, **metadata},
        "spec": {"message": "hello"} if spec is None else spec,
    }


def an_owner(obj: JsonObject, **more: Any) -> JsonObject:
    """A reference to an object."""
    meta = obj["metadata"]
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": meta["name"], "uid": meta["uid"], **more}


class Plane:
    """An engine that serves Widgets, with the infos that tests need at hand."""

    def __init__(
        self, storage: Storage | None = None, *, history: History | None = None, crd: JsonObject | None = None
    ) -> None:
        self.environment = SeededEnvironment()
        self.engine = Engine(storage, environment=self.environment, history=history)
        self.definitions = self.info("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        self.namespaces = self.info("", "v1", "namespaces")
        self.config_maps = self.info("", "v1", "configmaps")
        self.secrets = self.info("", "v1", "secrets")
        if self.engine.registry.find(GROUP, "v1", "widgets") is None:
            self.engine.create(self.definitions, "", crd or a_crd())

    @property
    def widgets(self) -> ResourceInfo:
        return self.info(GROUP, "v1", "widgets")

    def info(self, group: str, version: str, plural: str) -> ResourceInfo:
        found = self.engine.registry.find(group, version, plural)
        assert found is not None
        return found

    def create(self, obj: JsonObject, **options: Any) -> JsonObject:
        """Make a Widget in the default namespace."""
        return self.engine.create(self.widgets, "default", obj, WriteOptions(**options))

    def get(self, name: str) -> JsonObject:
        return self.engine.get(self.widgets, "default", name)

    def names(self, **options: Any) -> list[str]:
        """Names of the Widgets."""
        page = self.engine.list(self.widgets, "default", ListOptions(**options))
        return [item["metadata"]["name"] for item in page.items]

    def exists(self, name: str) -> bool:
        return name in self.names()
