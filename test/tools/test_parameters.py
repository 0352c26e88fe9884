"""What a schema says of its arguments by name: a Tool that no call can satisfy says so before it is called."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.tools.builtin import BUILTINS
from kubechain.tools.model import InvalidSchema, InvalidTool
from kubechain.tools.parameters import allows, check_callable, check_placeholders, check_signature
from kubechain.tools.templates import names_in

B: dict[str, Any] = {"b": {"type": "string"}}
A: dict[str, Any] = {"a": {}}
ADD = BUILTINS["add"].schema


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"properties": B}, id="a property"),
        pytest.param({"allOf": [{"properties": A}, {"properties": B}]}, id="a part of allOf"),
        pytest.param({"anyOf": [{"oneOf": [{"properties": B}]}]}, id="an alternative within an alternative"),
        pytest.param({"$ref": "#/$defs/x", "$defs": {"x": {"properties": B}}}, id="a reference"),
        pytest.param({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"properties": B}}}, id="a reference with an escape"),
        pytest.param({"if": {}, "then": {"properties": B}}, id="a condition"),
        pytest.param({"dependentSchemas": {"a": {"properties": B}}}, id="a dependent schema"),
        pytest.param({"patternProperties": {"^b": {}}}, id="a pattern"),
        pytest.param({"patternProperties": {"(?<b>": {}}}, id="a pattern that Python does not know"),
    ],
)
def test_the_model_is_told_of_an_argument_wherever_it_stands(schema: dict[str, Any]) -> None:
    assert allows(schema, "b")
    check_placeholders("url", {"b"}, schema)


@pytest.mark.parametrize(
    ("schema", "listed"),
    [
        pytest.param({"type": "object"}, "none", id="no properties"),
        pytest.param({"properties": {"a": {}, "c": {}}}, "a, c", id="other properties"),
        pytest.param({"properties": {"a": {"properties": B}}}, "a", id="a property of a property"),
        pytest.param({"$ref": "#", "properties": {"a": {}}}, "a", id="a reference to itself"),
        pytest.param({"$ref": "#/nowhere"}, "none", id="a reference to nothing"),
    ],
)
def test_a_placeholder_that_no_parameter_fills_is_named(schema: dict[str, Any], listed: str) -> None:
    with pytest.raises(InvalidTool, match=f"^url: {{b}} is not among the parameters, which are: {listed}$"):
        check_placeholders("url", {"b"}, schema)


def test_the_placeholders_of_a_body_are_those_of_all_its_texts() -> None:
    assert names_in({"x": ["{a}", {"y": "in {b} and {c}"}], "{key}": 1, "n": None}) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        pytest.param({"type": "string"}, "must describe an object, not string", id="a text"),
        pytest.param({"type": ["array", "null"]}, "must describe an object, not array or null", id="a list or nothing"),
        pytest.param(
            {"type": "object", "required": ["b"], "additionalProperties": False},
            '"b" is required, and it is not among the properties',
            id="what is required is forbidden",
        ),
    ],
)
def test_a_schema_that_no_call_can_satisfy_is_refused(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSchema, match=said):
        check_callable(schema)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({}, id="an empty schema"),
        pytest.param({"type": ["object", "null"]}, id="an object or nothing"),
        pytest.param({"properties": B, "required": ["b"], "additionalProperties": False}, id="all is said"),
        pytest.param({"required": ["b"]}, id="required, and anything is allowed"),
    ],
)
def test_a_schema_that_a_call_can_satisfy_is_taken(schema: dict[str, Any]) -> None:
    check_callable(schema)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        pytest.param({"properties": {"a": {}, "x": {}}}, 'add needs "b", which is not among them: a, x', id="missing"),
        pytest.param(
            {"properties": {"a": {"type": "string"}, "b": {}}}, 'add needs "a" as number', id="of another type"
        ),
    ],
)
def test_a_schema_that_leaves_a_function_without_its_arguments_is_refused(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidTool, match=said):
        check_signature("add", ADD, schema)


def test_a_schema_may_say_more_or_less_of_the_functions_arguments() -> None:
    check_signature("add", ADD, {"properties": {"a": {"type": "integer"}, "b": {}, "why": {"type": "string"}}})
    check_signature("current_time", BUILTINS["current_time"].schema, {"type": "object"})
