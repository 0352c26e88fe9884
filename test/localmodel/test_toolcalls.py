"""How a request with tools goes to the engine, and how its answer becomes a call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubechain.localmodel import toolcalls

ADD = {"name": "add", "description": "Add.", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}
ASK = {"name": "ask"}
USER = {"role": "user", "content": "What is 2 + 3?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":2}'}}
MADE = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "5"}


def a_request(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    tools = [{"type": "function", "function": function} for function in (ADD, ASK)]
    return {"model": "m", "messages": list(messages), "tools": tools, **fields}


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        pytest.param(a_request(USER), ["add", "ask"], id="a question may be answered by each function"),
        pytest.param(a_request(USER, MADE, RESULT), [], id="after a result the model answers in words"),
        pytest.param(a_request(USER, tool_choice="none"), [], id="a client that wants no call gets none"),
        pytest.param(a_request(USER, stream=True), [], id="a stream passes unchanged"),
        pytest.param(a_request(), [], id="no message, no call"),
        pytest.param({"messages": [USER]}, [], id="no tools, no call"),
        pytest.param(
            a_request(USER, tool_choice={"type": "function", "function": {"name": "ask"}}),
            ["ask"],
            id="the function that the client names",
        ),
    ],
)
def test_what_is_offered(request_: dict[str, Any], names: list[str]) -> None:
    assert [function["name"] for function in toolcalls.offered(request_)] == names


def test_the_schema_admits_each_function_with_its_own_arguments() -> None:
    request = toolcalls.for_engine(a_request(USER), [ADD, ASK])
    assert "tools" not in request
    branches = request["response_format"]["json_schema"]["schema"]["oneOf"]
    assert [branch["properties"]["name"]["const"] for branch in branches] == ["add", "ask"]
    assert branches[0]["properties"]["arguments"] == ADD["parameters"]
    assert branches[1]["properties"]["arguments"] == {"type": "object", "properties": {}}
    assert request["messages"][0]["role"] == "system"
    assert request["messages"][-1] == USER


@pytest.mark.parametrize(
    ("given", "longest"),
    [
        pytest.param({"type": "string"}, 160, id="a text without a limit"),
        pytest.param({"type": "string", "maxLength": 16_384}, 160, id="a text with a limit that no answer reaches"),
        pytest.param({"type": "string", "maxLength": 8}, 8, id="a text that is shorter anyway"),
        pytest.param({"type": "string", "minLength": 200}, 200, id="a text that must be longer"),
        pytest.param({"type": "string", "enum": ["a"]}, None, id="a choice"),
        pytest.param({"type": "number"}, None, id="no text"),
    ],
)
def test_a_text_in_a_call_is_short_enough_to_end(given: dict[str, Any], longest: int | None) -> None:
    function = {"name": "f", "parameters": {"properties": {"type": given, "many": {"type": "array", "items": given}}}}
    request = toolcalls.for_engine(a_request(USER), [function])
    [branch] = request["response_format"]["json_schema"]["schema"]["oneOf"]
    properties = branch["properties"]["arguments"]["properties"]
    assert properties["many"]["maxItems"] == toolcalls.LIST_MAX_ITEMS
    for found in (properties["type"], properties["many"]["items"]):
        assert found == (given if longest is None else given | {"maxLength": longest})


@pytest.mark.parametrize(
    ("given", "longest"),
    [
        pytest.param({"type": "array"}, 8, id="a list without a limit"),
        pytest.param({"type": "array", "maxItems": 1_000}, 8, id="a list with a limit that no answer reaches"),
        pytest.param({"type": "array", "maxItems": 2}, 2, id="a list that is shorter anyway"),
        pytest.param({"type": "array", "minItems": 20}, 20, id="a list that must be longer"),
    ],
)
def test_a_list_in_an_answer_is_short_enough_to_end(given: dict[str, Any], longest: int) -> None:
    schema = {"type": "object", "properties": {"array": given}}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    sent = toolcalls.for_engine(a_request(USER) | {"response_format": wanted}, [])
    assert sent["response_format"]["json_schema"]["schema"]["properties"]["array"] == given | {"maxItems": longest}


def test_an_answer_of_a_schema_is_held_to_it_after_the_calls() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    request = toolcalls.for_engine(a_request(USER, MADE, RESULT) | {"response_format": wanted}, [])
    sent = request["response_format"]["json_schema"]["schema"]
    assert sent["properties"]["city"] == {"type": "string", "maxLength": toolcalls.TEXT_MAX_CHARACTERS}
    assert sent["required"] == ["city"]
    assert request["temperature"] == 0


@pytest.mark.parametrize("wanted", [{"type": "text"}, {"type": "json_object"}, None])
def test_another_format_of_an_answer_is_the_engines_matter(wanted: object) -> None:
    request = toolcalls.for_engine(a_request(USER) | {"response_format": wanted}, [])
    assert request["response_format"] == wanted


def test_calls_and_results_go_as_text() -> None:
    request = toolcalls.for_engine(a_request(USER, MADE, RESULT), [])
    assert "response_format" not in request
    assert [message["role"] for message in request["messages"]] == ["user", "assistant", "user"]
    assert '{"a":2}' in request["messages"][1]["content"]
    assert "5" in request["messages"][2]["content"]


def test_an_answer_becomes_a_call() -> None:
    text = json.dumps({"name": "add", "arguments": {"a": 2}})
    reply = {"id": "r1", "usage": {"total_tokens": 3}, "choices": [{"message": {"content": text}, "index": 0}]}
    made = toolcalls.with_call(reply)
    call = made["choices"][0]["message"]["tool_calls"][0]
    assert call["function"] == {"name": "add", "arguments": '{"a": 2}'}
    assert made["choices"][0]["finish_reason"] == "tool_calls"
    assert made["usage"] == reply["usage"]
    assert call["id"] != toolcalls.with_call({**reply, "id": "r2"})["choices"][0]["message"]["tool_calls"][0]["id"]


@pytest.mark.parametrize("content", ['{"name": "add", "argu', "words", None, '"text"', "[]"])
def test_an_answer_that_is_no_call_stays_as_it_is(content: str | None) -> None:
    reply = {"id": "r1", "choices": [{"message": {"content": content}, "finish_reason": "length"}]}
    assert toolcalls.with_call(reply) is reply
