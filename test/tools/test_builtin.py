"""The functions that KubeChain brings along, and what they answer when there is no answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from kubechain.api.tool import BuiltinTool
from kubechain.tools.arguments import check_schema, parse
from kubechain.tools.builtin import BUILTINS, Context
from kubechain.tools.model import InvalidArguments, Output

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RESULTS = {"call-1": '{"items":[{"name":"a","price":3},{"name":"b","price":30}],"none":null}', "call-2": "plain words"}


def answer(name: str, arguments: str) -> Output:
    """Call a builtin as the controllers do."""
    builtin = BUILTINS[name]
    return builtin.run(parse(arguments, builtin.schema), Context(NOW, RESULTS))


def test_the_tools_schema_accepts_exactly_these_names() -> None:
    assert set(get_args(BuiltinTool.model_fields["name"].annotation)) == set(BUILTINS)


@pytest.mark.parametrize("name", BUILTINS)
def test_each_is_described_to_the_model(name: str) -> None:
    check_schema(BUILTINS[name].schema)
    assert BUILTINS[name].description.endswith(".")
    assert all("description" in field for field in BUILTINS[name].schema["properties"].values())


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        ("add", "1", "2", "3"),
        ("add", "1.5", "2", "3.5"),
        ("add", "12345678901234567890", "1", "12345678901234567891"),
        ("subtract", "1", "2", "-1"),
        ("multiply", "6", "7", "42"),
        ("multiply", "-0.5", "4", "-2.0"),
        ("divide", "6", "3", "2"),
        ("divide", "-7", "2", "-3.5"),
        ("divide", "6.0", "3", "2.0"),
        ("divide", "1" + "0" * 390, "1" + "0" * 389, "10"),
    ],
)
def test_arithmetic(name: str, a: str, b: str, expected: str) -> None:
    assert answer(name, f'{{"a":{a},"b":{b}}}') == Output(expected)


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        pytest.param("divide", "1", "0", "division by zero", id="by zero"),
        pytest.param("divide", "0", "0", "division by zero", id="zero by zero"),
        pytest.param("divide", "1.5", "-0.0", "division by zero", id="by minus zero"),
        pytest.param("multiply", "1e308", "10", "the result is too large for a number", id="a float overflows"),
        pytest.param("add", "1e308", "1e308", "the result is too large for a number", id="a sum overflows"),
        pytest.param(
            "multiply", "1" + "0" * 390, "1" + "0" * 390, "the result is too large for a number", id="780 digits"
        ),
        pytest.param(
            "add", "1" + "0" * 390, "0.5", "the result is too large for a number", id="an integer that is no float"
        ),
        pytest.param(
            "divide", "1" + "0" * 390, "7", "the result is too large for a number", id="a quotient that is no float"
        ),
    ],
)
def test_what_has_no_result_is_answered_in_words(name: str, a: str, b: str, expected: str) -> None:
    assert answer(name, f'{{"a":{a},"b":{b}}}') == Output(expected, is_error=True)


@pytest.mark.parametrize(
    "arguments", ["", "{}", '{"a":1}', '{"a":"1","b":2}', '{"a":1,"b":true}', '{"a":1,"b":2,"c":3}']
)
def test_operands_must_be_two_numbers(arguments: str) -> None:
    with pytest.raises(InvalidArguments):
        answer("add", arguments)


@pytest.mark.parametrize("arguments", [{}, {"a": "1", "b": 2}, {"a": 1, "b": False}, {"a": None, "b": 1}])
def test_a_tool_with_a_looser_schema_of_its_own_changes_nothing(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments, match="must be a number"):
        BUILTINS["add"].run(arguments, Context(NOW))


def test_the_current_time() -> None:
    expected = '{"time":"2026-11-22T12:00:00+00:00","timezone":"UTC","weekday":"Sunday","unix":1795348800}'
    assert answer("current_time", "") == Output(expected)
    assert '"time":"2026-11-22T21:00:00+09:00"' in answer("current_time", '{"timezone":"Asia/Tokyo"}').content


@pytest.mark.parametrize(
    "zone", ["Nowhere/Land", "", "America", "../../etc/passwd", "/etc/localtime", "a\x00b", "x" * 9999]
)
def test_an_unknown_time_zone_is_answered_in_words(zone: str) -> None:
    output = BUILTINS["current_time"].run({"timezone": zone}, Context(NOW))
    assert output.is_error
    assert output.content.startswith("unknown time zone")
    assert len(output.content) < 400


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("items[?price < `10`].name", '["a"]'),
        ("items[-1].price", "30"),
        ("length(items)", "2"),
        ("missing.path", "null"),
        ("none", "null"),
        ("items[].{n: name}", '[{"n":"a"},{"n":"b"}]'),
    ],
)
def test_a_query_over_an_earlier_result(query: str, expected: str) -> None:
    assert BUILTINS["json_query"].run({"toolCallId": "call-1", "query": query}, Context(NOW, RESULTS)) == Output(
        expected
    )


@pytest.mark.parametrize(
    ("call_id", "query", "message"),
    [
        pytest.param(
            "call-9", "a", 'no earlier result of a tool call "call-9"; there is: call-1, call-2', id="no call"
        ),
        pytest.param("call-2", "a", 'the result of tool call "call-2" is not JSON', id="no JSON"),
        pytest.param("call-1", "items[", "query: ", id="not an expression"),
        pytest.param("call-1", "", "query: ", id="no expression"),
        pytest.param("call-1", "nope(@)", "query: ", id="an unknown function"),
        pytest.param("call-1", "sum(items)", "query: ", id="a function of the wrong type"),
        pytest.param("call-1", "(" * 2000, "query: ", id="a bomb of brackets"),
        pytest.param("call-1", "a" * 3000, "query: longer than", id="a very long one"),
        pytest.param("call-1", "|".join(["[@,@]"] * 300), "query: costs too much", id="a doubling"),
        pytest.param("call-1", "|".join(["[@,@][]"] * 100), "query: costs too much", id="a doubling that is flattened"),
        pytest.param(
            "call-1", "|".join(["join('',[to_string(@),to_string(@)])"] * 50), "query: costs too much", id="a long text"
        ),
        pytest.param(
            "call-1", "|".join(["{a:@,b:@}"] * 200) + "|to_string(@)", "query: costs too much", id="written out"
        ),
    ],
)
def test_a_query_that_has_no_answer(call_id: str, query: str, message: str) -> None:
    output = BUILTINS["json_query"].run({"toolCallId": call_id, "query": query}, Context(NOW, RESULTS))
    assert output.is_error
    assert output.content.startswith(message)
