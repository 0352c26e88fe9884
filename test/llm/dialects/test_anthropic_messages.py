"""The anthropic-messages dialect: what is sent, and what of a reply is read."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from kubechain.api.message import Message, ProviderData
from kubechain.llm import errors
from kubechain.llm.client import Completion, Target, ToolDefinition
from kubechain.llm.dialects.anthropic_messages.options import STREAM_ABOVE_TOKENS
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.exchange import HttpReply
from kubechain.llm.providers import row_for
from test.llm.builders import CANARY, a_reply, a_target, a_tool_call, user

DIALECT = row_for("anthropic").dialect
SYSTEM = Message(role="system", content="Be brief.")
ADD = ToolDefinition("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
MARK = {"cache_control": {"type": "ephemeral"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}
THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


def claude(**settings: Any) -> Target:
    return a_target("claude-opus-5", **({"provider": "anthropic"} | settings))


def sent(*messages: Message, tools: tuple[ToolDefinition, ...] = (), target: Target | None = None) -> dict[str, Any]:
    request = CompletionRequest(target or claude(), messages, tools)
    return orjson.loads(DIALECT.encode(request).body or b"")


def turns(*messages: Message, target: Target | None = None) -> list[dict[str, Any]]:
    """The messages as they are sent, without the marks of the cache."""
    found = sent(*messages, target=target)["messages"]
    for turn in found:
        for block in turn["content"]:
            block.pop("cache_control", None)
    return found


def a_message_body(*content: dict[str, Any], stop_reason: str | None = "end_turn", **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 5}
    head = {"type": "message", "role": "assistant", "id": "msg_1", "model": "claude-opus-5-1"}
    return head | {"content": list(content), "stop_reason": stop_reason, "usage": usage} | more


def parse(body: object, target: Target | None = None) -> Completion:
    return parse_reply(a_reply(200, body), target)


def parse_reply(reply: HttpReply, target: Target | None = None) -> Completion:
    return DIALECT.decode(CompletionRequest(target or claude(), [user("Hi")]), reply)


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def assistant(content: str = "", *calls: str, **more: Any) -> Message:
    return Message(role="assistant", content=content, tool_calls=tuple(a_tool_call(call) for call in calls), **more)


def result(call_id: str, content: str = "7", *, is_error: bool = False) -> Message:
    return Message(role="tool", tool_call_id=call_id, name="add", content=content, is_error=is_error)


# --- the request


def test_headers_and_address() -> None:
    call = DIALECT.encode(CompletionRequest(claude(), [user("Hi")]))
    assert (call.method, call.url) == ("POST", "https://api.anthropic.com/v1/messages")
    assert (call.headers["x-api-key"], call.headers["anthropic-version"]) == (CANARY, "2026-10-21")
    assert "authorization" not in call.headers
    assert "anthropic-beta" not in call.headers


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"),
        ("https://mine.services.ai.azure.com/anthropic", "https://mine.services.ai.azure.com/anthropic/v1/messages"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/messages"),
    ],
)
def test_a_base_url_may_end_in_the_version_or_before_it(base_url: str, url: str) -> None:
    assert DIALECT.encode(CompletionRequest(claude(base_url=base_url), [user("Hi")])).url == url


def test_several_beta_features_are_one_header() -> None:
    target = claude(anthropic={"anthropicBetaHeader": "one-2026-01-01, two-2026-02-02,"})
    headers = DIALECT.encode(CompletionRequest(target, [user("Hi")])).headers
    assert headers["anthropic-beta"] == "one-2026-01-01,two-2026-02-02"


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        pytest.param({}, "2026-10-21", id="the newest for Anthropic itself"),
        pytest.param({"parameters": {"maxTokens": 5, "stream": "Always"}}, "2026-10-21", id="also with other settings"),
        pytest.param({"parameters": {"temperature": "0.5"}}, "2023-06-01", id="temperature"),
        pytest.param({"parameters": {"topP": "0.5"}}, "2023-06-01", id="topP"),
        pytest.param({"parameters": {"topK": 3}}, "2023-06-01", id="topK"),
        pytest.param({"base_url": "http://127.0.0.1:1"}, "2023-06-01", id="another server"),
    ],
)
def test_the_version_is_one_that_takes_what_is_sent(settings: dict[str, Any], version: str) -> None:
    call = DIALECT.encode(CompletionRequest(claude(**settings), [user("Hi")]))
    assert call.headers["anthropic-version"] == version


def test_every_parameter_is_sent() -> None:
    target = claude(parameters={"temperature": "0.5", "maxTokens": 99, "topP": "0.9", "topK": 3, "stream": "Always"})
    body = sent(user("Hi"), target=target)
    assert {name: body[name] for name in body if name not in ("messages", "model")} == {
        "temperature": 0.5,
        "max_tokens": 99,
        "top_p": 0.9,
        "top_k": 3,
        "stream": True,
    }


def test_a_limit_of_tokens_is_always_sent() -> None:
    assert sent(user("Hi"))["max_tokens"] == 16_384


@pytest.mark.parametrize(
    ("parameters", "is_streamed"),
    [
        ({}, False),
        ({"maxTokens": STREAM_ABOVE_TOKENS}, False),
        ({"maxTokens": STREAM_ABOVE_TOKENS + 1}, True),
        ({"maxTokens": STREAM_ABOVE_TOKENS + 1, "stream": "Auto"}, True),
        ({"maxTokens": STREAM_ABOVE_TOKENS + 1, "stream": "Never"}, False),
        ({"stream": "Always"}, True),
    ],
)
def test_what_takes_longer_than_ten_minutes_is_streamed(parameters: dict[str, Any], *, is_streamed: bool) -> None:
    assert sent(user("Hi"), target=claude(parameters=parameters)).get("stream", False) == is_streamed


def test_a_temperature_above_the_range_is_refused_by_name() -> None:
    with pytest.raises(errors.InvalidTarget, match=r'parameters.temperature: "1.5": Anthropic takes numbers from 0 to'):
        claude(parameters={"temperature": "1.5"})


def test_a_turn_with_tools_is_sent_as_the_api_has_it() -> None:
    body = sent(
        SYSTEM,
        user("Add."),
        assistant("I add.", "toolu_1", "toolu_2"),
        result("toolu_1"),
        result("toolu_2", "error: no", is_error=True),
        tools=(ADD,),
    )
    calls = [CALL | {"id": call_id} for call_id in ("toolu_1", "toolu_2")]
    results = [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "7"},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": "error: no", "is_error": True} | MARK,
    ]
    assert body == {
        "model": "claude-opus-5",
        "max_tokens": 16_384,
        "system": [text("Be brief.") | MARK],
        "tools": [{"name": "add", "description": "Adds.", "input_schema": ADD.parameters} | MARK],
        "messages": [
            {"role": "user", "content": [text("Add.") | MARK]},
            {"role": "assistant", "content": [text("I add."), *calls]},
            {"role": "user", "content": results},
        ],
    }


def test_no_more_than_four_marks_of_the_cache() -> None:
    window = [SYSTEM]
    for index in range(9):
        window += [user(f"Add {index}."), assistant("", f"call{index}"), result(f"call{index}"), assistant("Done.")]
    assert DIALECT.encode(CompletionRequest(claude(), [*window, user("?")], (ADD, ADD))).body.count(b"ephemeral") == 4  # type: ignore[union-attr]


def test_results_stand_before_what_the_user_says_and_in_one_turn() -> None:
    found = turns(user("Add."), assistant("", "a", "b"), result("a"), user("Quick!"), result("b"))
    assert [turn["role"] for turn in found] == ["user", "assistant", "user"]
    assert [block["type"] for block in found[-1]["content"]] == ["tool_result", "tool_result", "text"]


def test_blank_text_is_never_sent() -> None:
    found = turns(user("Add."), user("  "), assistant(" \n", "a"), result("a", ""), user("\n"))
    assert found == [
        {"role": "user", "content": [text("Add.")]},
        {"role": "assistant", "content": [CALL | {"id": "a"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]},
    ]
    assert "system" not in sent(Message(role="system", content=" "), user("Hi"))


@pytest.mark.parametrize(
    ("arguments", "sent_as"),
    [
        ("", {}),
        ("null", {}),
        ("[1]", {"not_a_json_object": "[1]"}),
        ('{"a": 1', {"not_a_json_object": '{"a": 1'}),
        ('{"a": 12345678901234567890123}', {"a": 12345678901234567890123}),
        ('{"a":' * 300 + "1" + "}" * 300, ...),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments: str, sent_as: object) -> None:
    message = Message(role="assistant", tool_calls=(a_tool_call(arguments=arguments),))
    body = DIALECT.encode(CompletionRequest(claude(), [user("Add."), message, result("call_1")])).body or b""
    if sent_as is ...:
        assert arguments.encode() in body
    else:
        assert json.loads(body)["messages"][1]["content"][0]["input"] == sent_as


def test_ids_of_other_providers_become_ids_that_the_api_takes() -> None:
    found = turns(user("Add."), assistant("", "functions.add:0"), result("functions.add:0"))
    call, answer = found[1]["content"][0], found[2]["content"][0]
    assert call["id"] == answer["tool_use_id"]
    assert call["id"].startswith("toolu_")


# --- the reply


def test_text_usage_and_model_are_read() -> None:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 5,
        "output_tokens_details": {"thinking_tokens": 2},
    }
    completion = parse(a_message_body(text("It has "), text("none."), usage=usage))
    assert (completion.message.content, completion.finish_reason) == ("It has none.", "end_turn")
    assert completion.model == "claude-opus-5-1"
    assert completion.usage.to_wire() == {
        "inputTokens": 130,
        "outputTokens": 5,
        "totalTokens": 135,
        "modelCalls": 1,
        "cacheReadTokens": 100,
        "cacheWriteTokens": 20,
        "reasoningTokens": 2,
    }


def test_calls_are_read_side_by_side() -> None:
    completion = parse(a_message_body(text("I add."), CALL, CALL | {"id": "toolu_2"}, stop_reason="tool_use"))
    calls = completion.message.tool_calls
    assert [(call.id, call.function.name, call.function.arguments) for call in calls] == [
        ("toolu_1", "add", '{"a":1}'),
        ("toolu_2", "add", '{"a":1}'),
    ]
    assert completion.message.provider_data is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param([THINKING, text("I add."), CALL, CALL | {"id": "toolu_2"}], id="thinking before the calls"),
        pytest.param([THINKING, text("A"), THINKING, text("B"), CALL], id="thinking between texts"),
        pytest.param([{"type": "redacted_thinking", "data": "ZW5j"}, CALL], id="thinking that is encrypted"),
        pytest.param([THINKING, CALL | {"caller": {"type": "direct"}}], id="a call with a field of its own"),
        pytest.param([{"type": "thinking", "thinking": "", "signature": "c2ln"}, text("A")], id="omitted thinking"),
    ],
)
def test_a_turn_goes_back_as_it_came(content: list[dict[str, Any]]) -> None:
    answer = Message.from_wire(parse(a_message_body(*content)).message.to_json())
    assert turns(user("Add."), answer)[1]["content"] == content


@pytest.mark.parametrize(
    "target",
    [
        a_target("claude-sonnet-5", provider="anthropic"),
        a_target("claude-opus-5", provider="openai", base_url="http://127.0.0.1:1/v1"),
    ],
    ids=["another model", "another provider"],
)
def test_another_model_gets_the_turn_from_its_normal_form(target: Target) -> None:
    answer = parse(a_message_body(THINKING, text("I add."), CALL)).message
    request = CompletionRequest(target, [user("Add."), answer])
    assert b"c2ln" not in (row_for(target.provider).dialect.encode(request).body or b"")


def test_a_turn_whose_text_was_changed_is_rebuilt() -> None:
    answer = parse(a_message_body(THINKING, text("I add."), CALL)).message.with_changes(content="Cut.")
    assert turns(user("Add."), answer)[1]["content"] == [text("Cut."), CALL]


def test_parts_of_another_dialect_are_passed_over() -> None:
    data = ProviderData(provider="anthropic", model="claude-opus-5", parts=({"message": {"a": 1}}, {"toolCall": 9}))
    assert turns(user("Add."), assistant("Hi.", provider_data=data))[1]["content"] == [text("Hi.")]


@pytest.mark.parametrize(
    ("body", "error", "match"),
    [
        pytest.param(
            a_message_body(stop_reason="refusal", stop_details={"category": "bio", "explanation": "Not this."}),
            errors.RequestRefused,
            r"content filter: refusal \(bio\): Not this\.",
            id="refusal",
        ),
        pytest.param(
            a_message_body(text("Half"), stop_reason="refusal"), errors.RequestRefused, "refusal", id="half refused"
        ),
        pytest.param(
            a_message_body(THINKING, stop_reason="max_tokens"),
            errors.RequestRefused,
            "raise parameters.maxTokens of the LLM, which is 16384; only reasoning",
            id="nothing but thinking within the limit",
        ),
        pytest.param(
            a_message_body(text("A"), stop_reason="pause_turn"), errors.ServerFailed, "pause_turn", id="paused"
        ),
        pytest.param(a_message_body(), errors.InvalidAnswer, "neither text nor tool calls", id="empty"),
        pytest.param(a_message_body(text("  ")), errors.InvalidAnswer, "only blank text", id="blank"),
        pytest.param(a_message_body(text("A"), stop_reason="tool_use"), errors.InvalidAnswer, "promises", id="no call"),
        pytest.param(a_message_body(CALL | {"name": ""}), errors.InvalidAnswer, "without a name", id="no name"),
        pytest.param({"type": "message"}, errors.InvalidAnswer, "no content", id="nothing"),
        pytest.param([], errors.InvalidAnswer, "not a JSON object", id="a list"),
    ],
)
def test_what_is_no_answer(body: object, error: type[errors.LLMError], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        parse(body)
    assert caught.value.usage is not None


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
def test_a_cut_text_says_so(reason: str) -> None:
    completion = parse(a_message_body(text("Once upon"), stop_reason=reason))
    assert completion.cut is not None
    assert "token limit" in completion.cut.message


def failed(status: int, kind: str, message: str = "No.", **more: Any) -> HttpReply:
    return a_reply(status, {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "r"})


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (failed(400, "invalid_request_error", "max_tokens: 99999999 > 64000"), errors.RequestRefused),
        (failed(400, "invalid_request_error", "temperature: Extra inputs are not permitted"), errors.RequestRefused),
        (failed(400, "invalid_request_error", "Your credit balance is too low to access the"), errors.QuotaExhausted),
        (failed(401, "authentication_error", "invalid x-api-key"), errors.AuthenticationFailed),
        (failed(402, "billing_error"), errors.QuotaExhausted),
        (failed(403, "permission_error"), errors.AuthenticationFailed),
        (failed(404, "not_found_error", "model: claude-opus-5"), errors.ModelNotFound),
        (failed(404, "not_found_error", "Not found"), errors.WrongAddress),
        (failed(409, "conflict_error"), errors.ServerFailed),
        (failed(413, "request_too_large"), errors.ContextTooLong),
        (failed(429, "rate_limit_error"), errors.RateLimited),
        (failed(429, "rate_limit_error", details={"error_code": "ramp_limit_exceeded"}), errors.RateLimited),
        (
            failed(429, "rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
            errors.QuotaExhausted,
        ),
        (failed(500, "api_error"), errors.ServerFailed),
        (failed(504, "timeout_error"), errors.ServerFailed),
        (failed(529, "overloaded_error", "Overloaded"), errors.ServerFailed),
        (failed(200, "overloaded_error", "Overloaded"), errors.ServerFailed),
        (failed(200, "rate_limit_error"), errors.RateLimited),
        (failed(200, "authentication_error"), errors.AuthenticationFailed),
        (failed(200, "permission_error"), errors.AuthenticationFailed),
        (failed(200, "not_found_error"), errors.ModelNotFound),
        (failed(200, "billing_error"), errors.QuotaExhausted),
        (failed(200, "invalid_request_error"), errors.RequestRefused),
        (failed(200, "request_too_large"), errors.ContextTooLong),
        (a_reply(200, b"<!doctype html><title>Hi</title>"), errors.WrongAddress),
    ],
)
def test_failures_by_consequence(reply: HttpReply, error: type[errors.LLMError]) -> None:
    with pytest.raises(errors.LLMError) as caught:
        parse_reply(reply)
    assert type(caught.value) is error


def test_a_wrong_address_names_the_operation() -> None:
    with pytest.raises(errors.WrongAddress, match=r"http://127.0.0.1:1/x/v1/messages: HTTP 404.*server has messages"):
        parse_reply(a_reply(404, {"detail": "Not Found"}), claude(base_url="http://127.0.0.1:1/x"))
