"""How a request of Anthropic's API goes to the engine as a chat completion, and how the answer comes back."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message

from kubechain.localmodel import messages, toolcalls

ADD = {
    "name": "add",
    "description": "Add.",
    "input_schema": {"type": "object", "properties": {"a": {"type": "number"}}},
}
USER = {"role": "user", "content": [{"type": "text", "text": "What is 2 + 3?", "cache_control": {"type": "ephemeral"}}]}
MADE = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 2}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "5"}]}


def a_request(*turns: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 60, "messages": list(turns), "tools": [ADD], **fields}


def test_a_question_with_tools_is_offered_the_functions() -> None:
    chat = messages.as_chat(a_request(USER, system=[{"type": "text", "text": "Be brief."}], temperature=0.5))
    assert chat["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 2 + 3?"},
    ]
    assert (chat["model"], chat["max_tokens"], chat["temperature"]) == ("m", 60, 0.5)
    [offered] = toolcalls.offered(chat)
    assert offered == {"name": "add", "description": "Add.", "parameters": ADD["input_schema"]}


def test_a_call_and_its_result_are_messages_of_their_own() -> None:
    chat = messages.as_chat(a_request(USER, MADE, RESULT))
    call = {"id": "toolu_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    assert chat["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "5"},
    ]
    assert toolcalls.offered(chat) == ()


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(a_request(USER), True, id="tools"),
        pytest.param(a_request(USER, tools=[], output_config={"format": {}}), True, id="a form of the answer"),
        pytest.param(a_request(USER, stream=True), True, id="tools and a stream"),
        pytest.param(a_request(USER, tools=[], stream=True), False, id="a stream alone"),
        pytest.param(a_request(USER, tools=[]), False, id="a question alone"),
    ],
)
def test_what_the_engine_cannot_do_itself(request_: dict[str, Any], expected: bool) -> None:
    assert messages.needs_schema(request_) is expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        pytest.param({"type": "any"}, "required", id="any tool"),
        pytest.param({"type": "none"}, "none", id="no tool"),
        pytest.param({"type": "tool", "name": "add"}, {"type": "function", "function": {"name": "add"}}, id="that one"),
    ],
)
def test_the_choice_of_a_tool(choice: dict[str, str], expected: object) -> None:
    assert messages.as_chat(a_request(USER, tool_choice=choice))["tool_choice"] == expected


def test_the_form_of_an_answer_is_passed_on() -> None:
    wanted = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    chat = messages.as_chat(a_request(USER, output_config=wanted))
    assert chat["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_a_call_comes_back_as_a_message_of_the_api() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    choice = {"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 9, "completion_tokens": 4}
    message = Message.model_validate(
        messages.from_chat({"id": "r", "model": "m", "choices": [choice], "usage": usage}), strict=True
    )
    [block] = message.content
    assert block.type == "tool_use"
    assert (block.id, block.name, block.input) == ("call_1", "add", {"a": 2})
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("tool_use", 9, 4)


def test_words_come_back_as_a_text() -> None:
    choice = {"message": {"content": "Five."}, "finish_reason": "length"}
    message = messages.from_chat({"id": "r", "model": "m", "choices": [choice]})
    assert (message["content"], message["stop_reason"]) == ([{"type": "text", "text": "Five."}], "max_tokens")
