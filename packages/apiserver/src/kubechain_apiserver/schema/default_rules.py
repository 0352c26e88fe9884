"""Validation of the defaults of a schema against the schema itself, in kube-apiserver's words."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from kubechain_apiserver.schema.normalize import prune
from kubechain_apiserver.schema.structural import Node, compile_schema
from kubechain_apiserver.schema.structural_rules import below, properties
from kubechain_apiserver.schema.validation import NO_FIELD, validate
from kubechain_apiserver.wire.field_errors import FieldError, invalid, required
from kubechain_apiserver.wire.json_types import JsonObject

Rules = Callable[[Node, Any], list[FieldError]]
"""Returns the errors of a schema's CEL rules on a value."""

_META: tuple[str, ...] = ("apiVersion", "kind", "metadata")


def check(schema: JsonObject, path: str, rules: Rules) -> list[FieldError]:
    """Return the errors of all defaults of a resource's schema.

    Defaults in `additionalProperties` are never used, and not checked.
    """
    return list(_place(schema, path, rules, resource=True, about_metadata=False))


def _place(
    schema: JsonObject, path: str, rules: Rules, *, resource: bool, about_metadata: bool
) -> Iterator[FieldError]:
    resource = resource or bool(schema.get("x-kubernetes-embedded-resource"))
    about_metadata = about_metadata and not resource
    if schema.get("default") is not None:
        yield from _default(schema, f"{path}.default", rules, resource=resource, may_prune=not about_metadata)
    items = below(schema, "items")
    if items is not None:
        yield from _place(items, f"{path}.items", rules, resource=False, about_metadata=about_metadata)
    for name, one in properties(schema).items():
        is_meta = about_metadata or (resource and name in _META)
        yield from _place(one, f"{path}.properties[{name}]", rules, resource=False, about_metadata=is_meta)


def _default(schema: JsonObject, path: str, rules: Rules, *, resource: bool, may_prune: bool) -> Iterator[FieldError]:
    value: Any = schema["default"]
    node = compile_schema(schema, root=resource)
    if may_prune and prune(copy.deepcopy(value), node):
        yield invalid(path, value, "must not have unknown fields")
    unnamed = [required(f"{path}.{name}") for name in ("apiVersion", "kind") if resource and name not in value]
    found = unnamed or [_at(path, error) for error in validate(value, node)]
    yield from found or [_at(path, error) for error in rules(node, value)]


def _at(path: str, error: FieldError) -> FieldError:
    return replace(error, field=path if error.field in {"", NO_FIELD} else f"{path}.{error.field}")
