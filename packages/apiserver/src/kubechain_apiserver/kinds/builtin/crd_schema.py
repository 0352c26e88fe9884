"""Validation of the schema of one version of a definition, in kube-apiserver's words.

Structural schemas are checked in `schema.structural_rules`, defaults in `schema.default_rules`, CEL rules in `rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from kubechain_apiserver.kinds.builtin import crd_lists
from kubechain_apiserver.kinds.builtin.crd_internal import SCHEMA, go_name, is_said, shown_rule, shown_schema
from kubechain_apiserver.rules import rules
from kubechain_apiserver.schema import default_rules, structural_rules
from kubechain_apiserver.schema.field_paths import BadFieldPath, find
from kubechain_apiserver.schema.structural import META_FIELDS, Node
from kubechain_apiserver.schema.structural_rules import LOGIC, below, has_additional, properties
from kubechain_apiserver.wire.field_errors import FieldError, forbidden, invalid, not_supported, required
from kubechain_apiserver.wire.json_types import JsonObject

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED: Final = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_POINTERS: Final = frozenset({"additionalItems", "dependencies", "$ref"})
"""Those of the unsupported fields that are refused even when empty."""

_REASONS: Final = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_AT_ROOT_WITH_STATUS: Final = (
    *("Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum", "ExclusiveMinimum"),
    *("MaxLength", "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems", "MultipleOf", "Required", "Items"),
    *("Properties", "ExternalDocs", "Example", "XPreserveUnknownFields", "XValidations"),
)
_LINE_BREAK: Final = re.compile(r"[\n\r]")
_RULES: Final = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class _Scope:
    """Properties that a place inherits from the places above it.

    Attributes:
        no_defaults: Why no default may be set; "" if one may.
        in_metadata: Whether the place is in the metadata of a resource.
        uncorrelated: The place above which old and new values cannot be correlated: rules must not compare them.
        compiles: Whether CEL rules are compiled.
        resource: Whether the place is the root of a resource.
    """

    no_defaults: str = ""
    in_metadata: bool = False
    uncorrelated: str = ""
    compiles: bool = True
    resource: bool = False


@dataclass(slots=True)
class _Found:
    """Errors of a place and all places below: rules are compiled only if the schema is valid."""

    schema: list[FieldError] = field(default_factory=list[FieldError])
    rules: list[FieldError] = field(default_factory=list[FieldError])

    def add(self, other: _Found) -> None:
        self.schema += other.schema
        self.rules += other.rules


def check(schema: JsonObject, path: str, *, has_status: bool) -> list[FieldError]:
    """Return the errors of the schema of a resource."""
    found = list(_root(schema, path, has_status=has_status))
    unsupported = _unsupported_anywhere(schema)
    compiles = False
    if not unsupported:
        more = structural_rules.check(schema, path) or default_rules.check(schema, path, _of_default)
        compiles = not more
        found += more
    walked = _walk(schema, path, _Scope(compiles=compiles, resource=True))
    found += walked.schema + walked.rules
    return found or ([invalid(path, "", unsupported)] if unsupported else [])


def _of_default(node: Node, value: Any) -> list[FieldError]:
    """Yield the errors of CEL rules on a default, both as an old value and as a new one."""
    if not node.has_rules:
        return []
    try:
        compiled = rules.Rules(node)
    except rules.CompilationError:
        return []  # reported at the rule itself
    return compiled.check(value, value) or compiled.check(value, None)


def _unsupported_anywhere(schema: JsonObject) -> str:
    """Return why a schema cannot be converted to a structural one; "" if it can."""
    for name in ("id", "$schema", "$ref", "patternProperties", "dependencies", "additionalItems", "definitions"):
        if schema.get(name) or (name == "additionalItems" and schema.get(name) is not None):
            return f"OpenAPIV3Schema '{'schema' if name == '$schema' else name}' is not supported"
    if isinstance(schema.get("items"), list):
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
    return next((text for _, one, _ in children(schema) if (text := _unsupported_anywhere(one))), "")


def _root(schema: JsonObject, path: str, *, has_status: bool) -> Iterator[FieldError]:
    if has_status:
        yield from _root_with_status(schema, path)
    if schema.get("nullable"):
        yield forbidden(f"{path}.nullable", "nullable cannot be true at the root")


def _root_with_status(schema: JsonObject, path: str) -> Iterator[FieldError]:
    """Yield errors of the root of a schema with the status subresource."""
    where = "at the root of the schema if the status subresource is enabled"
    for name, _ in SCHEMA:
        if not is_said(schema.get(name)):
            continue
        if name == "type" and schema["type"] != "object":
            yield invalid(f"{path}.type", schema["type"], f'only "object" is allowed as the type {where}')
            return
        if go_name(name) not in _AT_ROOT_WITH_STATUS:
            text = f"only [{' '.join(_AT_ROOT_WITH_STATUS)}] fields are allowed {where}"
            yield invalid(path, shown_schema(schema), text)
            return


def children(schema: JsonObject) -> Iterator[tuple[str, JsonObject, str]]:
    """Yield all schemas directly below: the keyword, the schema, and the path element."""
    additional, negated, items = below(schema, "additionalProperties"), below(schema, "not"), schema.get("items")
    if additional is not None:
        yield "additionalProperties", additional, ".additionalProperties"
    for name, one in properties(schema).items():
        yield name, one, f".properties[{name}]"
    if negated is not None:
        yield "not", negated, ".not"
    for logic in LOGIC:
        for index, one in enumerate(schema.get(logic) or ()):
            yield "logic", one, f".{logic}[{index}]"
    definitions: dict[str, JsonObject] = schema.get("definitions") or {}
    for name, one in definitions.items():
        yield "logic", one, f".definitions[{name}]"
    if isinstance(items, dict):
        yield "items", cast("JsonObject", items), ".items"
    elif isinstance(items, list):
        for index, one in enumerate(cast("list[JsonObject]", items)):
            yield "items", one, f".items[{index}]"


def _walk(schema: JsonObject, path: str, scope: _Scope) -> _Found:
    found = _Found([*_keywords(schema, path, scope), *_fields_or_map(schema, path)])
    for name, one, step in children(schema):
        found.add(_walk(one, f"{path}{step}", _scope_below(schema, path, scope, name, step)))
    if any(name.startswith("x-kubernetes-") for name in schema):
        found.schema += [*crd_lists.check(schema, path), *_rule_texts(schema, path)]
    if schema.get(_RULES) and not found.schema and scope.compiles:
        found.rules += _compiled(schema, path, scope)
    return found


def _scope_below(schema: JsonObject, path: str, scope: _Scope, name: str, step: str) -> _Scope:
    made = replace(scope, resource=False) if scope.resource else scope
    if step.startswith(".properties["):
        is_resource = scope.resource or schema.get("x-kubernetes-embedded-resource")
        if is_resource and name in META_FIELDS:
            made = replace(made, in_metadata=True)
            if scope.resource:
                made = replace(made, no_defaults=f"in top-level {name}")
        return made
    if step == ".additionalProperties":
        why = "inside additionalProperties applying to object metadata"
        return replace(made, no_defaults=why) if scope.in_metadata else made
    if step.startswith(".items"):
        lost = schema.get("x-kubernetes-list-type") != "map"
        return replace(made, uncorrelated=scope.uncorrelated or (path if lost else ""))
    return replace(made, compiles=False)


def _keywords(schema: JsonObject, path: str, scope: _Scope) -> Iterator[FieldError]:
    type_: str = schema.get("type") or ""
    if type_ and type_ not in _TYPES:
        yield not_supported(f"{path}.type", type_, _TYPES)
    if schema.get("default") is not None and scope.no_defaults:
        yield forbidden(f"{path}.default", f"must not be set {scope.no_defaults}")
    for name in _UNSUPPORTED:
        if schema.get(name) or (name in _POINTERS and schema.get(name) is not None):
            yield forbidden(f"{path}.{name}", f"{name} is not supported")
    if type_ == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if scope.in_metadata and schema.get("x-kubernetes-embedded-resource"):
        yield forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta")
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", why)


def _fields_or_map(schema: JsonObject, path: str) -> Iterator[FieldError]:
    if properties(schema) and has_additional(schema) and schema["additionalProperties"] is not True:
        yield forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")


def _rule_texts(schema: JsonObject, path: str) -> Iterator[FieldError]:
    for index, rule in enumerate(schema.get(_RULES) or ()):
        yield from _rule_text(rule, f"{path}.{_RULES}[{index}]")
        place: str = rule.get("fieldPath") or ""
        if place:
            try:
                find(place, schema)
            except BadFieldPath:
                yield invalid(f"{path}.{_RULES}[{index}].fieldPath", place, "must be a valid path")


def _rule_text(rule: JsonObject, path: str) -> Iterator[FieldError]:
    text: str = (rule.get("rule") or "").strip()
    message: str = rule.get("message") or ""
    expression: str = rule.get("messageExpression") or ""
    place: str = rule.get("fieldPath") or ""
    if not text:
        yield required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield invalid(f"{path}.message", message, "must be non-empty if specified")
    elif _LINE_BREAK.search(message.strip()):
        yield invalid(f"{path}.message", message, "must not contain line breaks")
    elif _LINE_BREAK.search(text) and not message:
        yield required(f"{path}.message", "message must be specified if rule contains line breaks")
    if expression and not expression.strip():
        yield required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") is not None and rule["reason"] not in _REASONS:
        yield not_supported(f"{path}.reason", rule["reason"], _REASONS)
    if place and not place.strip():
        yield invalid(f"{path}.fieldPath", place, "must be non-empty if specified")
    if _LINE_BREAK.search(place):
        yield invalid(f"{path}.fieldPath", place, "must not contain line breaks")


def _compiled(schema: JsonObject, path: str, scope: _Scope) -> Iterator[FieldError]:
    resource = scope.resource or bool(schema.get("x-kubernetes-embedded-resource"))
    for index, rule in enumerate(schema[_RULES]):
        place = f"{path}.{_RULES}[{index}]"
        verdict = rules.compiled(rule, schema, resource=resource)
        if verdict.wrong_rule:
            yield invalid(f"{place}.rule", shown_rule(rule), verdict.wrong_rule)
        if verdict.wrong_message:
            yield invalid(f"{place}.messageExpression", shown_rule(rule), verdict.wrong_message)
        if verdict.uses_old and scope.uncorrelated:
            text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {scope.uncorrelated}"
            yield invalid(f"{place}.rule", rule["rule"], text)
        if not verdict.uses_old and rule.get("optionalOldSelf") is not None:
            text = "may not be set if oldSelf is not used in rule"
            yield invalid(f"{place}.optionalOldSelf", rule["optionalOldSelf"], text)
