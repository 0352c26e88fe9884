"""Definitions: what is read, hoisted, warned of and refused. The refusals are compared by conformance, case by case."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kubechain_apiserver.kinds.builtin import crd_internal, crd_schema, crd_warnings
from kubechain_apiserver.kinds.builtin.crd_decoding import Decoder, WrongType
from kubechain_apiserver.schema.field_paths import BadFieldPath, find
from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.json_types import JsonObject
from packages.apiserver.test.objects import Plane, a_crd


def a_schema(**spec: Any) -> JsonObject:
    return {"type": "object", "properties": {"spec": spec}}


def decoded(schema: Any) -> tuple[Any, list[str]]:
    unknown: list[str] = []
    Decoder(unknown.append).schema(schema, "here", "spec.schema", struct="CustomResourceValidation")
    return schema, unknown


def test_what_all_versions_have_in_common_stands_above_them() -> None:
    same, other = {"openAPIV3Schema": a_schema(type="string")}, {"openAPIV3Schema": a_schema(type="integer")}
    alike = crd_internal.hoisted({"versions": [{"name": "a", "schema": same}, {"name": "b", "schema": same}]})
    assert alike["validation"] == same
    assert alike["versions"] == [{"name": "a"}, {"name": "b"}]
    unlike = crd_internal.hoisted({"versions": [{"name": "a", "schema": same}, {"name": "b", "schema": other}]})
    assert "validation" not in unlike
    assert unlike["versions"][1]["schema"] == other


def test_quotes_have_the_names_of_go_and_all_fields() -> None:
    shown = crd_internal.shown_rule({"rule": "self.a < 1", "optionalOldSelf": True}).text
    assert shown.startswith('{"Rule":"self.a \\u003c 1","Message":"",')
    assert shown.endswith('"Reason":null,"FieldPath":"","OptionalOldSelf":true}')
    names = [crd_internal.go_name(name) for name, _ in crd_internal.SCHEMA]
    assert {"ID", "Ref", "OneOf", "XPreserveUnknownFields", "XListMapKeys"} <= {*names}


def test_nulls_and_unknown_fields_of_a_schema_go() -> None:
    schema = {"type": "object", "format": None, "more": 1, "properties": {"a": {"type": "string", "x-b": 1}, "b": None}}
    kept, unknown = decoded(schema)
    assert kept == {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}}
    assert unknown == ["here.more", "here.properties.a.x-b"]


def test_unknown_fields_below_items_go_without_a_word() -> None:
    kept, unknown = decoded({"type": "array", "items": {"type": "string", "x-b": 1}})
    assert kept == {"type": "array", "items": {"type": "string"}}
    assert unknown == []


WRONG_TYPES: dict[str, tuple[Any, str]] = {
    "a schema": (
        "x",
        "string into Go struct field CustomResourceValidation.{} of type",
    ),
    "a number for a truth": ({"nullable": 1}, "number into Go struct field JSONSchemaProps.{}.nullable of type bool"),
    "a truth for a number": ({"maximum": True}, "bool into Go struct field JSONSchemaProps.{}.maximum of type float64"),
    "a text in a list": (
        {"allOf": ["x"]},
        "string into Go struct field JSONSchemaProps.{}.allOf of type v1.JSONSchemaProps",
    ),
    "a number among names": (
        {"required": [1]},
        "number into Go struct field JSONSchemaProps.{}.required of type string",
    ),
    "a text for rules": (
        {"x-kubernetes-validations": "x"},
        "string into Go struct field JSONSchemaProps.{}.x-kubernetes-validations of type v1.ValidationRules",
    ),
    "a number for a rule": (
        {"x-kubernetes-validations": [{"rule": 1}]},
        "number into Go struct field ValidationRule.{}.x-kubernetes-validations.rule of type string",
    ),
    "below items": (
        {"items": [{"type": 1}]},
        "number into Go struct field JSONSchemaProps.{}.items.type of type string",
    ),
    "in documents elsewhere": (
        {"externalDocs": {"url": 1}},
        "number into Go struct field ExternalDocumentation.{}.externalDocs.url of type string",
    ),
    "a text for additionalProperties": ({"additionalProperties": "x"}, "boolean or JSON schema expected"),
}


@pytest.mark.parametrize(("schema", "error"), WRONG_TYPES.values(), ids=WRONG_TYPES.keys())
def test_a_wrong_type_is_refused_in_the_words_of_go(schema: Any, error: str) -> None:
    with pytest.raises(WrongType, match=re.escape(error.format("spec.schema"))):
        decoded(schema)


def test_warnings_are_given_once() -> None:
    schema = a_schema(type="object", properties={n: {"type": "string", "format": "phone"} for n in "ab"})
    crd = {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}
    assert crd_warnings.found(crd) == ['unrecognized format "phone"']


def test_a_definition_that_stays_the_same_is_not_checked_again(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plane.engine.get(plane.definitions, "", "widgets.example.com")
    monkeypatch.delattr(crd_schema, "check")
    made["metadata"]["labels"] = {"a": "b"}
    assert plane.engine.update(plane.definitions, "", "widgets.example.com", made)["metadata"]["labels"] == {"a": "b"}


def test_a_definition_that_is_wrong_is_refused(plane: Plane) -> None:
    crd = a_crd()
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = {"type": "array"}
    with pytest.raises(StatusError, match=r"properties\[spec\]\.items: Required value: must be specified"):
        plane.engine.create(plane.definitions, "", crd)


FIELDS: JsonObject = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"a.b": {"type": "string"}}},
        "labels": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}


@pytest.mark.parametrize(
    ("path", "type_"), [(".spec", "object"), (".spec['a.b']", "string"), (".labels['x']", "integer")]
)
def test_a_path_leads_to_a_place_in_the_schema(path: str, type_: str) -> None:
    assert find(path, FIELDS)["type"] == type_


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("spec", "expected [ or . but got: spec"),
        (".spec.x", "does not refer to a valid field"),
        (".spec[a]", "expected single quoted string but got a"),
        (".spec['a.b'", "unexpected end of JSON path"),
        (".", "unexpected end of JSON path"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path: str, error: str) -> None:
    with pytest.raises(BadFieldPath, match=re.escape(error)):
        find(path, FIELDS)
