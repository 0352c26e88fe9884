"""What models write as arguments, honest and not."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubechain.tools.arguments import MAX_CHARACTERS, MAX_DEPTH, check_schema, parse, to_json
from kubechain.tools.model import InvalidArguments, InvalidSchema
from test.examples import examples

SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "number"},
        "city": {"type": "string", "minLength": 2},
        "tags": {"type": "array", "items": {"type": "string"}},
        "odd name": {"type": "null"},
    },
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "{}", " { } "])
def test_no_arguments_are_an_empty_object(text: str) -> None:
    assert parse(text, {"type": "object", "properties": {}}) == {}
    assert parse(text, None) == {}


def test_numbers_keep_their_kind() -> None:
    value = parse('{"i": 12345678901234567890123, "f": 1.0, "e": 1e3}', None)
    assert value == {"i": 12345678901234567890123, "f": 1.0, "e": 1000.0}
    assert isinstance(value["i"], int)
    assert isinstance(value["f"], float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{"a":"x"}', 'arguments: $.a: "x" is not of type "number"', id="a wrong type"),
        pytest.param("{}", 'arguments: $: "a" is a required property', id="a missing one"),
        pytest.param('{"a":true}', 'arguments: $.a: true is not of type "number"', id="a boolean is no number"),
        pytest.param('{"a":1,"tags":["x",2]}', 'arguments: $.tags[1]: 2 is not of type "string"', id="inside an array"),
        pytest.param(
            '{"a":1,"odd name":2}', 'arguments: $["odd name"]: 2 is not of type "null"', id="a name with a space"
        ),
        pytest.param(
            '{"a":"x","city":"y"}',
            'arguments: $.a: "x" is not of type "number"; $.city: "y" is shorter than 2 characters',
            id="two at once",
        ),
        pytest.param("null", 'arguments: $: "a" is a required property', id="null is no arguments"),
        pytest.param("[]", "arguments: must be a JSON object, not an array", id="an array"),
        pytest.param('"{}"', 'arguments: $: "a" is a required property', id="JSON in a string is read"),
        pytest.param('"a"', "arguments: must be a JSON object, not a string", id="a string"),
        pytest.param("1", "arguments: must be a JSON object, not a number", id="a number"),
        pytest.param("true", "arguments: must be a JSON object, not a boolean", id="a boolean"),
        pytest.param('{"a":1', "arguments: not valid JSON: Expecting ',' delimiter at line 1, column 7", id="cut off"),
        pytest.param("{'a':1}", None, id="single quotes"),
        pytest.param('{"a":1}{}', None, id="two objects"),
        pytest.param("```json\n{}\n```", None, id="a code fence"),
        pytest.param('{"a":NaN}', "arguments: NaN is not a JSON number", id="NaN"),
        pytest.param('{"a":-Infinity}', "arguments: -Infinity is not a JSON number", id="infinity"),
        pytest.param('{"a":1e999}', "arguments: 1e999 is too large for a number", id="a float that overflows"),
        pytest.param('{"a":' + "9" * 5000 + "}", "arguments: an integer of more than 400 digits", id="5,000 digits"),
        pytest.param('{"a":1,"a":2}', 'arguments: "a" is given twice', id="the same name twice"),
        pytest.param('{"a":1,"x":{"b":1,"b":2}}', 'arguments: "b" is given twice', id="the same name twice, inside"),
        pytest.param('{"a":"\\ud800"}', "arguments: not valid text: half of a surrogate pair", id="half a pair"),
        pytest.param('{"a":"\ud800"}', "arguments: not valid text: half of a surrogate pair", id="half a pair, raw"),
        pytest.param('{"a":"\x00"}', None, id="a control character"),
        pytest.param("\ufeff{}", None, id="a byte order mark"),
        pytest.param("[" * 100_000, "arguments: nested deeper than 64 levels", id="a bomb of brackets"),
        pytest.param('{"a":' * 50_000, "arguments: nested deeper than 64 levels", id="a bomb of objects"),
        pytest.param(
            '{"a":' + "[" * 100 + "]" * 100 + "}", "arguments: nested deeper than 64 levels", id="valid and deep"
        ),
        pytest.param(" " * (MAX_CHARACTERS + 1), "arguments: longer than 1048576 characters", id="too long"),
    ],
)
def test_what_does_not_fit_is_told_where(text: str, message: str | None) -> None:
    with pytest.raises(InvalidArguments) as caught:
        parse(text, SCHEMA)
    assert message is None or str(caught.value) == message
    assert len(str(caught.value)) < 1100


def test_many_errors_are_told_in_part() -> None:
    with pytest.raises(InvalidArguments, match=r"; and more$"):
        parse('{"a":"' + "x" * 10_000 + '","city":1,"tags":1,"odd name":1,"z":1}', SCHEMA)


def test_the_deepest_that_passes_can_be_validated_and_written() -> None:
    depth = MAX_DEPTH - 1
    text = '{"a":' + "[" * depth + "]" * depth + "}"
    recursive = {"anyOf": [{"type": "object", "additionalProperties": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}
    assert to_json(parse(text, recursive)) == text


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "foo"}, id="an unknown type"),
        pytest.param({"properties": []}, id="a wrong shape"),
        pytest.param({"$ref": "http://127.0.0.1:1/schema"}, id="a reference to the network"),
        pytest.param({"$ref": "file:///etc/passwd"}, id="a reference to a file"),
        pytest.param({"$ref": "#/nowhere"}, id="a reference to nothing"),
        pytest.param({"pattern": "("}, id="a broken pattern"),
        pytest.param({"pattern": "(((a{1000}){1000}){1000})"}, id="a pattern that would fill memory"),
        pytest.param({"minimum": math.nan}, id="not JSON"),
        pytest.param({"enum": [object()]}, id="not JSON at all"),
    ],
)
def test_a_broken_schema_is_named(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidSchema, match="parameters: not a JSON schema: "):
        check_schema(schema)
    with pytest.raises(InvalidSchema):
        parse("{}", schema)


def test_a_pattern_that_would_backtrack_for_ever_does_not() -> None:
    with pytest.raises(InvalidArguments):
        parse(json.dumps({"a": "a" * 50_000 + "!"}), {"properties": {"a": {"pattern": r"^(a+)+$"}}})
    with pytest.raises(InvalidArguments):
        parse(json.dumps({"a": "a" * 5_000 + "!"}), {"properties": {"a": {"pattern": r"^(?=(a+)+$)(a|aa)+\1$"}}})


@given(st.text())
@settings(max_examples=examples(300))
def test_no_text_raises_anything_else(text: str) -> None:
    with contextlib.suppress(InvalidArguments):
        parse(text, SCHEMA)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), _JSON))
@settings(max_examples=examples(50))
def test_every_honest_object_passes_unchanged(value: dict[str, Any]) -> None:
    for is_ascii in (True, False):
        assert parse(json.dumps(value, ensure_ascii=is_ascii), {"type": "object"}) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("null", {}, id="null for a tool without parameters"),
        pytest.param('"{\\"a\\": 1}"', {"a": 1}, id="an object that was encoded twice"),
    ],
)
def test_what_is_clear_is_taken_as_meant(text: str, expected: dict[str, int]) -> None:
    assert parse(text, {"type": "object"}) == expected
