"""Schemas that people write for answers, and what models answer."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubechain.tools.arguments import parse as parse_arguments
from kubechain.tools.model import InvalidArguments, InvalidSchema
from kubechain.tools.typedanswers import RESULT_MAX_BYTES, SCHEMA_MAX_BYTES, NoMatch, check, parse
from test.examples import examples

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 2},
        "people": {"type": "integer", "minimum": 0},
        "seas": {"type": "array", "items": {"$ref": "#/$defs/sea"}},
    },
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"sea": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
}


def _of(schema: object) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}}


def _nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = _of(schema)
    return schema


DOUBLING: dict[str, Any] = {
    "properties": {"x": {"$ref": "#/$defs/d0"}},
    "$defs": {f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(20)}
    | {"d20": {"type": "string"}},
}
RECURSIVE = _of({"$ref": "#/$defs/tree"}) | {"$defs": {"tree": _of({"$ref": "#/$defs/tree"})}}
MANY_KINDS = _of(
    {
        "type": "array",
        "items": {"anyOf": [_of({"const": kind}) for kind in range(300)]},
    }
)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(SCHEMA, id="an honest one with a definition"),
        pytest.param({"type": "object"}, id="any object"),
        pytest.param(_of({"type": "string", "pattern": r"^[a-z]+-\d{2}$"}), id="a pattern"),
        pytest.param(_of({"type": "string", "pattern": "^(a+)+$"}), id="a pattern that is slow where it backtracks"),
        pytest.param({"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}}, id="such field names"),
        pytest.param({"anyOf": [_of({"const": 1}), _of({"const": 2})]}, id="alternatives at the top"),
        pytest.param(_nested(20), id="many levels"),
        pytest.param(_of({"enum": [{"$ref": "http://elsewhere/"}]}), id="a value that looks like a reference"),
    ],
)
def test_schemas_that_are_taken(schema: dict[str, Any]) -> None:
    check(schema)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        pytest.param({"type": "objekt"}, "$.type: ", id="no such type"),
        pytest.param(_of(3), "$.properties.x: 3 is not of type", id="a number in place of a schema"),
        pytest.param({"type": "string"}, "must describe an object, not string", id="not an object"),
        pytest.param(
            _of({"$ref": "https://example.com/schema.json"}),
            '$.properties.x["$ref"]: must begin with #/, other documents are not read: "https://example.com/schema',
            id="another document",
        ),
        pytest.param(
            _of({"$ref": "file:///etc/passwd"}), '$.properties.x["$ref"]: must begin with #/', id="a file of the host"
        ),
        pytest.param(_of({"$ref": 3}), '$.properties.x["$ref"]: must begin with #/', id="a number as reference"),
        pytest.param(
            _of({"$ref": "#/$defs/none"}), '$.properties.x["$ref"]: leads to nothing: "#/$defs/none"', id="no target"
        ),
        pytest.param(RECURSIVE, "leads to a schema that it is inside of", id="one that refers to itself"),
        pytest.param(_of({"$ref": "#"}), "leads to a schema that it is inside of", id="one that refers to the whole"),
        pytest.param(
            _of(_of({"$ref": "#/properties/x"})), "leads to a schema that it is inside of", id="without definitions"
        ),
        pytest.param(
            _of({"$id": "http://a/", "type": "string"}), '$.properties.x["$id"]: not supported', id="another base"
        ),
        pytest.param(_of({"$dynamicRef": "#a"}), '$.properties.x["$dynamicRef"]: not supported', id="dynamic"),
        pytest.param(DOUBLING, "too large: the limits are 1000 schemas", id="one that doubles at each level"),
        pytest.param(_nested(400), "too large", id="hundreds of levels"),
        pytest.param(_of({"pattern": "["}), '$.properties.x.pattern: "[" is not a "regex"', id="no pattern"),
        pytest.param(
            _of({"pattern": "^(?=.*x)(a|aa)+$"}),
            'is not a "regex": patterns with look-around or back-references are not supported',
            id="a pattern that needs backtracking",
        ),
        pytest.param(_of({"pattern": "(a{1000}){1000}"}), 'is not a "regex"', id="a pattern that is large"),
        pytest.param(
            _of({"description": "x" * SCHEMA_MAX_BYTES}), f"the limit is {SCHEMA_MAX_BYTES}", id="too many bytes"
        ),
    ],
)
def test_schemas_that_are_refused_name_the_place(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSchema) as caught:
        check(schema)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"city": "Moonville"}', id="bare"),
        pytest.param('\n {"city": "Moonville"}\n', id="with white space"),
        pytest.param('```json\n{"city": "Moonville"}\n```', id="as a block of code"),
        pytest.param('```\n{"city": "Moonville"}\n```\n', id="as a block without a language"),
        pytest.param('<think>Is it {"city": 1}?</think>\n\n{"city": "Moonville"}', id="after a thought"),
    ],
)
def test_the_forms_of_a_right_answer(text: str) -> None:
    assert parse(text, SCHEMA) == {"city": "Moonville"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("Moonville.", "not valid JSON: Expecting value at line 1, column 1", id="prose"),
        pytest.param('Sure: {"city": "Moonville"}', "not valid JSON", id="prose before it"),
        pytest.param('{"city": "Moon', "not valid JSON", id="cut"),
        pytest.param('["Moonville"]', "must be a JSON object, not an array", id="an array"),
        pytest.param("null", "must be a JSON object, not null", id="null"),
        pytest.param("{}", '$: "city" is a required property', id="without what is required"),
        pytest.param('{"city": "M"}', '$.city: "M" is shorter than 2 characters', id="too short"),
        pytest.param('{"city": "Moonville", "people": "3"}', '$.people: "3" is not of type "integer"', id="a string"),
        pytest.param('{"city": "Moonville", "seas": [{}]}', '$.seas[0]: "name" is a required property', id="inside"),
        pytest.param('{"city": "a1", "city": "b2"}', '"city" is given twice', id="a field twice"),
        pytest.param(
            '{"city": "Moonville", "people": 99999999999999999999}',
            "$.people: an integer of more than 64 bits",
            id="an integer that no API server stores",
        ),
        pytest.param(
            f'{{"city": "{"x" * RESULT_MAX_BYTES}"}}', f"a result may have {RESULT_MAX_BYTES}", id="more than fits"
        ),
        pytest.param('{"city": "\\ud800x"}', "half of a surrogate pair", id="text that cannot be stored"),
    ],
)
def test_answers_that_do_not_match_name_the_place(text: str, message: str) -> None:
    with pytest.raises(NoMatch) as caught:
        parse(text, SCHEMA)
    assert message in str(caught.value)


def test_a_pattern_takes_time_that_grows_with_the_answer_alone() -> None:
    schema = _of({"type": "string", "pattern": "^(([a-z]+)+)+[0-9]{1,50}$"})
    check(schema)
    began = time.process_time()
    with pytest.raises(NoMatch):
        parse(f'{{"x": "{"a" * 60_000}"}}', schema)
    assert time.process_time() - began < 30.0  # one that backtracks would not end


def test_the_errors_of_many_alternatives_are_not_all_made() -> None:
    """A list of all of them has 300 errors for each of 20,000 parts, and took all memory of the machine."""
    check(MANY_KINDS)
    text = f'{{"x": [{",".join(["1"] * 20_000)}]}}'
    with pytest.raises(NoMatch, match=r"^\$\.x\[0\]: 1 is not valid under any of the schemas"):
        parse(text, MANY_KINDS)
    with pytest.raises(InvalidArguments, match=r"^arguments: \$\.x\[0\]: 1 is not valid under any of the schemas"):
        parse_arguments(text, MANY_KINDS)


@given(text=st.text() | st.from_regex(r"\A[\[\]{}\",:0-9eE.+\-a-f`\n]*\Z"))
@settings(max_examples=examples(300))
def test_whatever_a_model_writes_is_a_result_or_a_reason(text: str) -> None:
    try:
        result: object = parse(text, {"type": "object"})
    except NoMatch as reason:
        result = str(reason)
    assert result or result == {}


@given(
    schema=st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "#", "#/properties/x", "(?=a)"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["type", "properties", "x", "items", "$ref", "allOf", "pattern", "$defs", "enum"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=examples(300))
def test_whatever_people_write_as_schema_is_taken_or_refused_with_a_reason(schema: object) -> None:
    value = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {"properties": schema}
    try:
        check(value)
        reason = "taken"
    except InvalidSchema as refusal:
        reason = str(refusal)
    assert reason
