"""Schemas whose references multiply: refused where they are validated, and never a reason to wait."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from kubechain.net import toolschemas
from kubechain.tools import arguments, schemawork
from kubechain.tools.model import InvalidArguments, InvalidSchema

Schema = dict[str, Any]

AGAIN = {"$ref": "#/$defs/node"}


DYNAMIC = {"$dynamicRef": "#node"}


def parent(**more: Any) -> Schema:
    return {"type": "object", "properties": {"child": AGAIN}, "required": ["child"], **more}


RECURSIVE: dict[str, Schema] = {
    "two alternatives": {"anyOf": [parent(), parent(title="another"), {"const": 0}]},
    "one of two": {"oneOf": [parent(), parent(title="another"), {"const": 0}]},
    "both of two": {"type": "object", "allOf": [parent(), parent(title="another")]},
    "a name and a pattern": parent(patternProperties={"^c": AGAIN}),
    "a condition": {
        "type": "object",
        "if": parent(minProperties=2),
        "then": AGAIN,
        "else": parent(),
        "allOf": [parent()],
    },
    "items and what they contain": {"anyOf": [{"type": "array", "items": AGAIN, "contains": AGAIN}, {"const": 0}]},
    "a schema for all names": {
        "anyOf": [parent(), {"type": "object", "additionalProperties": AGAIN, "minProperties": 1}, {"const": 0}]
    },
    "dynamic references": {
        "$dynamicAnchor": "node",
        "anyOf": [
            {"type": "object", "properties": {"child": DYNAMIC}, "required": ["child"]},
            {"type": "object", "additionalProperties": DYNAMIC, "minProperties": 1},
            {"const": 0},
        ],
    },
}
"""Schemas that refer to themselves at least twice about the same value."""


def of_node(node: Schema) -> Schema:
    return {"type": "object", "properties": {"root": AGAIN}, "required": ["root"], "$defs": {"node": node}}


def nested(levels: int, *, in_lists: bool) -> object:
    value: object = "wrong"
    for _ in range(levels):
        value = [value] if in_lists else {"child": value}
    return value


@pytest.mark.parametrize("node", [pytest.param(node, id=name) for name, node in RECURSIVE.items()])
def test_arguments_as_deep_as_any_are_judged_by_a_schema_that_refers_to_itself_twice(node: Schema) -> None:
    value = {"root": nested(arguments.MAX_DEPTH - 2, in_lists="array" in str(node))}
    with pytest.raises(InvalidArguments):
        arguments.parse(json.dumps(value), of_node(node))


@pytest.mark.parametrize("node", [pytest.param(node, id=name) for name, node in RECURSIVE.items()])
def test_the_steps_of_listing_are_no_fewer_than_the_errors(node: Schema) -> None:
    schema, is_list = of_node(node), "array" in str(node)
    validator = jsonschema_rs.validator_for(schema)
    for levels in range(1, 7):
        value = {"root": nested(levels, in_lists=is_list)}
        steps = schemawork._Listing(schema).steps(schema, value)  # pyright: ignore[reportPrivateUsage]
        assert steps >= sum(leaves(error) for error in validator.iter_errors(value))


def leaves(error: jsonschema_rs.ValidationError) -> int:
    """The errors of which one is made: those of the branches of an alternative."""
    branches: list[list[jsonschema_rs.ValidationError]] = getattr(error.kind, "context", None) or []
    return sum(leaves(one) for branch in branches for one in branch) or 1


def test_a_shallow_mistake_is_named() -> None:
    schema = of_node(RECURSIVE["two alternatives"])
    with pytest.raises(InvalidArguments, match=r"\$\.root"):
        arguments.parse('{"root": {"child": {"child": "wrong"}}}', schema)


def test_a_deep_mistake_says_that_its_place_is_not_known() -> None:
    schema = of_node(RECURSIVE["two alternatives"])
    with pytest.raises(InvalidArguments, match="too many alternatives to say where"):
        arguments.parse(json.dumps({"root": nested(40, in_lists=False)}), schema)


def test_a_right_tree_is_taken_however_deep() -> None:
    tree: object = 0
    for _ in range(50):
        tree = {"child": tree}
    assert arguments.parse(json.dumps({"root": tree}), of_node(RECURSIVE["two alternatives"])) == {"root": tree}


def test_a_mistake_in_a_long_list_of_a_recursive_schema_is_named() -> None:
    node = {"type": "object", "properties": {"children": {"type": "array", "items": AGAIN}, "n": {"type": "integer"}}}
    value = {"root": {"children": [{"n": number} for number in range(500)] + [{"n": "last"}]}}
    with pytest.raises(InvalidArguments, match=r"children\[500\]\.n"):
        arguments.parse(json.dumps(value), of_node(node))


def doubling(levels: int, keyword: str = "allOf") -> Schema:
    """Definitions of which each refers twice to the next one: the smallest schema that multiplies without recursion."""
    defs: Schema = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    defs[f"d{levels}"] = {"type": "string"}
    return {"type": "object", "properties": {"text": {"$ref": "#/$defs/d0"}}, "$defs": defs}


def down(levels: int) -> Schema:
    """The same into the value: a name and a pattern that mean the same part."""
    step = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(levels)}
    defs: Schema = {name: {"properties": {"a": one}, "patternProperties": {"^a": one}} for name, one in step.items()}
    return {"type": "object", "$ref": "#/$defs/d0", "$defs": {**defs, f"d{levels}": {"type": "string"}}}


def by_ids(levels: int) -> Schema:
    """The same with parts that have an address of their own."""
    defs: Schema = {
        f"d{n}": {"$id": f"https://a.test/d{n}", "allOf": [{"$ref": f"https://a.test/d{n + 1}"}] * 2}
        for n in range(levels)
    }
    defs[f"d{levels}"] = {"$id": f"https://a.test/d{levels}", "type": "string"}
    return {"type": "object", "properties": {"text": {"$ref": "https://a.test/d0"}}, "$defs": defs}


def by_anchors(levels: int) -> Schema:
    """The same with references that are resolved while a value is judged."""
    defs: Schema = {
        f"d{n}": {"$dynamicAnchor": f"d{n}", "allOf": [{"$dynamicRef": f"#d{n + 1}"}] * 2} for n in range(levels)
    }
    defs[f"d{levels}"] = {"$dynamicAnchor": f"d{levels}", "type": "string"}
    return {"type": "object", "properties": {"text": {"$dynamicRef": "#d0"}}, "$defs": defs}


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(doubling(17), id="seventeen doublings"),
        pytest.param(doubling(60, "anyOf"), id="sixty of alternatives"),
        pytest.param(down(60), id="sixty into the value"),
        pytest.param(by_ids(40), id="forty by ids"),
        pytest.param(by_anchors(40), id="forty by dynamic anchors"),
    ],
)
def test_references_that_multiply_are_refused_with_the_reason(schema: Schema) -> None:
    with pytest.raises(InvalidSchema, match=r"its \$refs multiply to more than 100000 schemas"):
        arguments.check_schema(schema)
    with pytest.raises(InvalidSchema):
        arguments.parse("{}", schema)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(doubling(12), id="a few doublings"),
        pytest.param(of_node(RECURSIVE["two alternatives"]), id="recursion alone"),
        pytest.param(
            {
                "type": "object",
                "properties": {f"p{n}": {"$ref": f"#/$defs/t{n}"} for n in range(40)},
                "$defs": {
                    f"t{n}": {
                        "type": "object",
                        "properties": {f"p{m}": {"$ref": f"#/$defs/t{m}"} for m in range(40)},
                    }
                    for n in range(40)
                },
            },
            id="forty kinds that all refer to each other, as those of a large interface",
        ),
        pytest.param({"type": "object", "$ref": "#"}, id="a schema that is itself"),
        pytest.param({"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}, id="a reference to nothing"),
    ],
)
def test_other_schemas_are_not_refused_for_their_references(schema: Schema) -> None:
    assert schemawork.unfolded(schema) <= schemawork.UNFOLDED_MAX


def test_the_repair_of_a_schema_of_an_mcp_server_takes_what_multiplies_out_of_it() -> None:
    arguments.check_schema(toolschemas.repaired(doubling(60)))
