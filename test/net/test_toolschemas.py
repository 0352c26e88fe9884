"""Schemas that strict model servers refuse, and what is sent in their place."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain.net.toolschemas import UnusableSchema, repaired

STRING = {"type": "string"}


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({}, an_object(), id="an empty schema is one of an object"),
        pytest.param({"type": "object"}, an_object(), id="properties are added"),
        pytest.param({"type": "object", "properties": None}, an_object(), id="properties that are null are none"),
        pytest.param({"properties": {"a": STRING}}, an_object(a=STRING), id="the type is added"),
        pytest.param({"type": ["object", "null"]}, an_object(), id="an object that may be null is an object"),
        pytest.param(
            {"$schema": "http://json-schema.org/draft-07/schema#", "$id": "urn:a", **an_object(a=STRING)},
            an_object(a=STRING),
            id="words about the document are left out",
        ),
        pytest.param(
            an_object(**{"$ref": STRING, "$schema": STRING, "id": STRING}),
            an_object(**{"$ref": STRING, "$schema": STRING, "id": STRING}),
            id="properties with the names of keywords stay",
        ),
        pytest.param(an_object(a={"type": "array"}), an_object(a={"type": "array", "items": {}}), id="items are added"),
        pytest.param(
            an_object(a={"type": "array", "items": [STRING, {"type": "int"}]}),
            an_object(a={"type": "array", "items": {"anyOf": [STRING, {"type": "integer"}]}}),
            id="a list of items is one schema",
        ),
        pytest.param(an_object(a={"type": "str"}), an_object(a=STRING), id="types of another language are translated"),
        pytest.param(an_object(a={"type": "STRING"}), an_object(a=STRING), id="types in capitals are JSON's"),
        pytest.param(an_object(a={"type": "file"}), an_object(a={}), id="an unknown type allows any value"),
        pytest.param(
            an_object(a={"type": ["str", "None"]}), an_object(a={"type": ["string", "null"]}), id="or several"
        ),
        pytest.param(
            {**an_object(a={"$ref": "#/$defs/A", "description": "d"}), "$defs": {"A": {**STRING, "description": "e"}}},
            an_object(a={**STRING, "description": "d"}),
            id="a reference is put in place, its own words win",
        ),
        pytest.param(
            {"$ref": "#/definitions/A~1b", "definitions": {"A/b": an_object(a=STRING)}},
            an_object(a=STRING),
            id="a reference at the top is put in place",
        ),
        pytest.param(an_object(a={"$ref": "#/$defs/Missing"}), an_object(a={}), id="a dangling reference allows all"),
        pytest.param(an_object(a={"$ref": "https://example.com/a.json"}), an_object(a={}), id="so does a remote one"),
        pytest.param(
            {**an_object(a={"$ref": "#/$defs/N"}), "$defs": {"N": an_object(next={"$ref": "#/$defs/N"})}},
            an_object(a=an_object(next={})),
            id="a reference to itself ends",
        ),
        pytest.param(
            {
                "anyOf": [
                    {**an_object(a=STRING, b=STRING), "required": ["a", "b"]},
                    {**an_object(a=STRING), "required": ["a"]},
                ]
            },
            {**an_object(a=STRING, b=STRING), "required": ["a"]},
            id="alternatives at the top are one object",
        ),
        pytest.param(
            {"oneOf": [an_object(a=STRING), an_object(a={"type": "integer"}), {"type": "null"}]},
            an_object(a={"anyOf": [STRING, {"type": "integer"}]}),
            id="a property with two meanings has both",
        ),
        pytest.param(
            {**an_object(a=STRING), "allOf": [{"required": ["a"]}, an_object(b=STRING)], "not": {"required": ["c"]}},
            {**an_object(a=STRING, b=STRING), "required": ["a"]},
            id="parts at the top are one object",
        ),
        pytest.param(
            an_object(a={**STRING, "required": True}), {**an_object(a=STRING), "required": ["a"]}, id="required: true"
        ),
        pytest.param(
            an_object(a={"type": "integer", "minimum": "1", "exclusiveMaximum": True, "maxLength": -1, "pattern": "("}),
            an_object(a={"type": "integer"}),
            id="keywords of the wrong sort are left out",
        ),
        pytest.param(
            an_object(a=True, b=None), an_object(a={}, b={}), id="a property without a schema allows any value"
        ),
    ],
)
def test_a_schema_is_repaired(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert repaired(schema) == expected


@pytest.mark.parametrize(
    "schema", [{"type": "string"}, {"anyOf": [{"type": "string"}, {"type": "null"}]}, {"allOf": [{"type": "array"}]}]
)
def test_what_describes_no_object_is_unusable(schema: dict[str, Any]) -> None:
    with pytest.raises(UnusableSchema, match="must describe an object"):
        repaired(schema)


def test_references_that_multiply_stay_small() -> None:
    pair = {f"L{i}": an_object(a={"$ref": f"#/$defs/L{i + 1}"}, b={"$ref": f"#/$defs/L{i + 1}"}) for i in range(30)}
    schema = {**an_object(x={"$ref": "#/$defs/L0"}), "$defs": pair}
    assert len(str(repaired(schema))) < 400_000


KEYWORDS = st.sampled_from(
    (
        *("type", "properties", "required", "items", "anyOf", "oneOf", "allOf", "$ref", "$defs", "enum", "pattern"),
        *("minimum", "not", "if", "then", "description"),
    )
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["object", "array", "str", "#/$defs/a", "#", "("]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS | st.just("a"), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(KEYWORDS, JSON, max_size=5))
def test_whatever_is_repaired_is_a_schema_of_an_object_that_repair_keeps(schema: dict[str, Any]) -> None:
    try:
        found = repaired(schema)
    except UnusableSchema:
        return
    jsonschema_rs.validator_for(found, offline=True)
    assert found["type"] == "object"
    assert isinstance(found["properties"], dict)
    assert not found.keys() & {"anyOf", "oneOf", "allOf", "enum", "not", "$ref", "$schema"}
    assert repaired(found) == found
