"""Warnings that kube-apiserver sends for a valid definition."""

from __future__ import annotations

from collections.abc import Iterator

from kubechain_apiserver.kinds.builtin.crd_internal import hoisted
from kubechain_apiserver.kinds.builtin.crd_schema import children
from kubechain_apiserver.schema import formats
from kubechain_apiserver.wire.json_types import JsonObject


def found(crd: JsonObject) -> list[str]:
    """Return the warnings, each once: those about formats first."""
    spec = hoisted(crd["spec"])
    owners: list[JsonObject] = [spec.get("validation") or {}, *(one.get("schema") or {} for one in spec["versions"])]
    schemas = [one for owner in owners for one in _all(owner.get("openAPIV3Schema") or {})]
    return list(dict.fromkeys([*_unknown_formats(schemas), *sorted(_sets(schemas))]))


def _all(schema: JsonObject) -> Iterator[JsonObject]:
    yield schema
    for _, below, _ in children(schema):
        yield from _all(below)


def _unknown_formats(schemas: list[JsonObject]) -> Iterator[str]:
    for schema in schemas:
        name: str = schema.get("format") or ""
        if name and not formats.is_known(name, schema.get("type") or ""):
            yield f'unrecognized format "{name}"'


def _sets(schemas: list[JsonObject]) -> Iterator[str]:
    for schema in schemas:
        items: JsonObject = schema.get("items") or {}
        if schema.get("x-kubernetes-list-type") == "set" and items.get("type") in {"object", "array"}:
            why = "is not supported by server-side apply or CEL validation rules"
            yield f'x-kubernetes-list-type: set for items of type "{items["type"]}" {why}'
