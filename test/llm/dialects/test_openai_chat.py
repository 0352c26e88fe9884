"""The openai-chat dialect: what is sent, and what is made of the answer."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from kubechain.api.message import Message, ToolCall
from kubechain.api.usage import Usage
from kubechain.llm import errors
from kubechain.llm.client import Target, ToolDefinition
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.dialects.openai_chat.encode import completion_body
from kubechain.llm.providers import row_for
from test.llm.builders import CANARY, a_completion_body, a_reply, a_request, a_target, a_tool_call, an_error_reply, user

DIALECT = row_for("openai").dialect

EVERYTHING: dict[str, object] = {
    "temperature": "0",
    "maxTokens": 64,
    "topP": "0.5",
    "topK": 40,
    "frequencyPenalty": "-1.5",
    "presencePenalty": "1.5",
}
LOCAL = "http://127.0.0.1:8080/v1"
AZURE_URL = "https://mine.openai.azure.com"


def azure(api_type: str = "AZURE", version: str | None = None) -> Target:
    options = {"apiType": api_type, "apiVersion": version, "organization": "ignored"}
    return a_target("my deployment", base_url=AZURE_URL, openai=options, parameters=EVERYTHING)


# --- what is sent


@pytest.mark.parametrize(
    ("target", "url"),
    [
        pytest.param(a_target(), "https://api.openai.com/v1/chat/completions", id="OpenAI"),
        pytest.param(a_target(base_url=LOCAL + "/"), LOCAL + "/chat/completions", id="a compatible server"),
        pytest.param(a_target(provider="mistral"), "https://api.mistral.ai/v1/chat/completions", id="Mistral"),
        pytest.param(
            azure(version="2024-10-21"),
            f"{AZURE_URL}/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21",
            id="Azure",
        ),
        pytest.param(azure(), f"{AZURE_URL}/openai/v1/chat/completions", id="Azure without an API version"),
        pytest.param(
            a_target(base_url=f"{AZURE_URL}/openai/v1/", openai={"apiType": "AZURE"}),
            f"{AZURE_URL}/openai/v1/chat/completions",
            id="Azure with the path of its v1 API",
        ),
        pytest.param(
            azure(version="2025-01-01-preview"),
            f"{AZURE_URL}/openai/deployments/my%20deployment/chat/completions?api-version=2025-01-01-preview",
            id="Azure with an API version",
        ),
    ],
)
def test_the_call_goes_to_the_right_address(target: Target, url: str) -> None:
    call = DIALECT.encode(a_request(target))
    assert (call.method, call.url) == ("POST", url)


@pytest.mark.parametrize(
    ("target", "header"),
    [
        pytest.param(a_target(), {"authorization": f"Bearer {CANARY}"}, id="OpenAI"),
        pytest.param(a_target(key=f"{CANARY}\n"), {"authorization": f"Bearer {CANARY}"}, id="a key with a line end"),
        pytest.param(
            a_target(openai={"organization": "org-1"}),
            {"authorization": f"Bearer {CANARY}", "openai-organization": "org-1"},
            id="an organization",
        ),
        pytest.param(azure(), {"api-key": CANARY}, id="Azure with a key"),
        pytest.param(azure("AZURE_AD"), {"authorization": f"Bearer {CANARY}"}, id="Azure with a directory token"),
        pytest.param(a_target(base_url=LOCAL, key=None), {}, id="a server without keys"),
    ],
)
def test_credentials_are_in_the_right_header(target: Target, header: dict[str, str]) -> None:
    headers = DIALECT.encode(a_request(target)).headers
    assert {k: v for k, v in headers.items() if k not in {"accept", "content-type"}} == header
    assert CANARY not in repr(DIALECT.encode(a_request(target)))


COMMON = {"temperature": 0.0, "top_p": 0.5, "frequency_penalty": -1.5, "presence_penalty": 1.5}


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        pytest.param(a_target(), {}, id="none set, none sent"),
        pytest.param(
            a_target(parameters=EVERYTHING), COMMON | {"max_completion_tokens": 64}, id="OpenAI knows no top_k"
        ),
        pytest.param(
            a_target(parameters=EVERYTHING, base_url=LOCAL),
            COMMON | {"max_tokens": 64, "top_k": 40},
            id="compatible servers do",
        ),
        pytest.param(
            a_target(parameters=EVERYTHING, base_url="https://api.openai.com/v1"),
            COMMON | {"max_completion_tokens": 64},
            id="OpenAI by its full address is OpenAI",
        ),
        pytest.param(a_target(parameters=EVERYTHING, provider="mistral"), COMMON | {"max_tokens": 64}, id="Mistral"),
        pytest.param(azure(), COMMON | {"max_completion_tokens": 64}, id="Azure"),
        pytest.param(azure(version="2024-10-21"), COMMON | {"max_tokens": 64}, id="older versions of Azure"),
        pytest.param(
            azure(version="2025-01-01-preview"), COMMON | {"max_completion_tokens": 64}, id="newer versions of Azure"
        ),
        pytest.param(
            a_target(provider="mistral", mistral={"randomSeed": 7}),
            {"random_seed": 7},
            id="Mistral's seed",
        ),
    ],
)
def test_parameters_are_sent(target: Target, sent: dict[str, object]) -> None:
    body = completion_body(a_request(target))
    assert {k: v for k, v in body.items() if k not in {"model", "messages"}} == sent
    assert body["model"] == target.model


def test_tools_are_offered() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number"}}}
    body = completion_body(CompletionRequest(a_target(), [user("hi")], [ToolDefinition("add", "Adds.", schema)]))
    assert body["tools"] == [
        {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": schema}}
    ]


def test_one_bad_schema_takes_no_other_tool_with_it() -> None:
    bad, odd = (
        ToolDefinition("bad", "", {"type": "string"}),
        ToolDefinition("odd", "", {"anyOf": [{"required": ["a"]}]}),
    )
    body = completion_body(CompletionRequest(a_target(), [user("hi")], [bad, odd]))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["odd"]
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}, "required": ["a"]}


def test_no_tools_is_no_field() -> None:
    assert "tools" not in completion_body(a_request())


CONVERSATION = (
    Message(role="system", content="Be brief."),
    user("What is 1 + 2?"),
    Message(role="assistant", tool_calls=(a_tool_call(), a_tool_call("t0c1", arguments=""))),
    Message(role="tool", content="3", tool_call_id="call_1", name="add"),
    Message(role="tool", content="", tool_call_id="t0c1"),
)


def test_the_conversation_is_put_into_their_words() -> None:
    assert completion_body(a_request(a_target(), *CONVERSATION))["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 1 + 2?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
                {"id": "t0c1", "type": "function", "function": {"name": "add", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "content": "3", "tool_call_id": "call_1"},
        {"role": "tool", "content": "", "tool_call_id": "t0c1"},
    ]


def test_mistral_gets_call_ids_of_nine_letters_that_still_match() -> None:
    messages = completion_body(a_request(a_target(provider="mistral"), *CONVERSATION))["messages"]
    ids = [call["id"] for call in messages[2]["tool_calls"]]
    assert ids == [messages[3]["tool_call_id"], messages[4]["tool_call_id"]]
    assert len(set(ids)) == 2
    assert all(re.fullmatch(r"[a-zA-Z0-9]{9}", i) for i in ids)


def test_mistrals_own_ids_stay() -> None:
    message = Message(role="tool", content="3", tool_call_id="AbCdEf012")
    body = completion_body(a_request(a_target(provider="mistral"), message))
    assert body["messages"][0]["tool_call_id"] == "AbCdEf012"


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        pytest.param({"key": None}, "API key: required", id="OpenAI without a key"),
        pytest.param({"key": " \n"}, "API key: required", id="a key of white space"),
        pytest.param({"provider": "mistral", "key": None}, "API key: required", id="Mistral without a key"),
        pytest.param({"key": "sk-\r\nX-Evil: 1"}, "API key: holds characters", id="a key with a header in it"),
        pytest.param({"key": "sk-ключ"}, "API key: holds characters", id="a key that is not ASCII"),
        pytest.param({"openai": {"organization": "a\nb"}}, "organization: holds", id="an organization likewise"),
        pytest.param({"openai": {"apiType": "AZURE"}}, "baseUrl: required", id="Azure without an address"),
        pytest.param({"base_url": "http://169.254.169.254"}, "address refused", id="a hostile address"),
    ],
)
def test_what_cannot_be_sent_is_said_before(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(errors.InvalidTarget, match=error) as caught:
        DIALECT.encode(a_request(a_target(**settings)))
    assert "sk-" not in str(caught.value)


# --- what is made of the answer


def parse(body: object, target: Target | None = None) -> Any:
    return DIALECT.decode(a_request(target), a_reply(200, body))


def test_an_answer_in_text() -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 6, "total_tokens": 26}
    completion = parse(a_completion_body(usage=usage))
    assert completion.message.to_wire() == {"role": "assistant", "content": "Moonville"}
    assert completion.usage.to_wire() == {"inputTokens": 20, "outputTokens": 6, "totalTokens": 26, "modelCalls": 1}
    assert (completion.finish_reason, completion.model) == ("stop", "gpt-4o-2024")


def test_an_answer_in_tool_calls() -> None:
    calls = [
        {"id": "call_9", "type": "function", "function": {"name": "add", "arguments": '{ "a":1}'}},
        {"function": {"name": "now", "arguments": ""}},
        {"id": None, "function": {"name": "now"}},
        {"id": "x", "function": {"name": "add", "arguments": {"a": 1}}},
    ]
    completion = parse(a_completion_body({"content": None, "tool_calls": calls}, "tool_calls"))
    assert completion.message.content == ""
    assert [_parts(call) for call in completion.message.tool_calls] == [
        ("call_9", "add", '{ "a":1}'),
        ("", "now", ""),
        ("", "now", ""),
        ("x", "add", '{"a":1}'),
    ]


def _parts(call: ToolCall) -> tuple[str, str, str]:
    return call.id, call.function.name, call.function.arguments


@pytest.mark.parametrize(
    ("body", "text", "finish_reason"),
    [
        pytest.param(a_completion_body(finish_reason=None), "Moonville", "stop", id="no finish reason"),
        pytest.param(a_completion_body({"content": "The m"}, "length"), "The m", "length", id="cut at the limit"),
        pytest.param(a_completion_body({"content": None, "refusal": "No."}), "No.", "refusal", id="a refusal"),
        pytest.param(
            a_completion_body({"content": [{"type": "text", "text": "Moon"}, {"type": "text", "text": "ville"}]}),
            "Moonville",
            "stop",
            id="text in parts",
        ),
    ],
)
def test_odd_answers_are_answers(body: object, text: str, finish_reason: str) -> None:
    completion = parse(body)
    assert (completion.message.content, completion.finish_reason) == (text, finish_reason)


@pytest.mark.parametrize(
    "usage", [None, [], {}, {"prompt_tokens": -1, "completion_tokens": "six"}, {"total_tokens": True}]
)
def test_a_strange_usage_counts_as_none(usage: object) -> None:
    assert parse(a_completion_body(usage=usage)).usage.total_tokens == 0


BODY = orjson.dumps(a_completion_body())
CALL_MESSAGE = {"tool_calls": [{"id": "c", "function": {"name": "add", "arguments": "{}"}}]}
DEEP_CALL = (
    b'{"choices": [{"message": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '
    + b'{"a":' * 600
    + b"1"
    + b"}" * 600
    + b"}}]}}]}"
)
CUT_CALL = {"tool_calls": [{"id": "c", "function": {"name": "add", "arguments": '{"a": 1, "b'}}]}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        pytest.param(b"", "not JSON", id="nothing"),
        pytest.param(b'{"choices": [{"mess\xff', "not JSON", id="broken JSON"),
        pytest.param([1], "not a JSON object", id="a list"),
        pytest.param({}, "no choices", id="an empty object"),
        pytest.param({"choices": None}, "no choices", id="choices that are null"),
        pytest.param({"choices": ["a"]}, "no choices", id="choices that are texts"),
        pytest.param(a_completion_body({}), "neither text nor tool calls", id="an empty message"),
        pytest.param(a_completion_body({"content": ""}), "neither text nor tool calls", id="an empty text"),
        pytest.param(a_completion_body({"content": 7}), "neither text nor tool calls", id="a text that is a number"),
        pytest.param(DEEP_CALL, "nested too deeply", id="arguments of 600 levels"),
        pytest.param(b'{"choices": ' + b"[" * 5000, "not JSON", id="a body of 5000 levels"),
        pytest.param(a_completion_body({"content": "\n\n"}), "only blank text", id="a blank text"),
        pytest.param(a_completion_body({"reasoning_content": "Hm."}), "only reasoning", id="nothing but thoughts"),
        pytest.param(a_completion_body({"content": "<think>Hm."}), "only reasoning", id="thoughts in the text"),
        pytest.param(a_completion_body(finish_reason="tool_calls"), "promises tool calls", id="a promise of calls"),
        pytest.param(a_completion_body(finish_reason="malformed_function_call"), "malformed", id="a malformed call"),
        pytest.param(a_completion_body({"tool_calls": [{}]}), "without a name", id="a call of nothing"),
    ],
)
def test_what_is_no_answer_is_said(body: object, complaint: str) -> None:
    with pytest.raises(errors.InvalidAnswer, match=complaint):
        parse(body)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        pytest.param(a_completion_body({"content": ""}, "length"), "set parameters.maxTokens", id="before any text"),
        pytest.param(a_completion_body({"reasoning": "Hm"}, "MAX_TOKENS"), "only reasoning", id="in its thoughts"),
        pytest.param(a_completion_body(CUT_CALL, "length"), "a tool call was cut", id="in a tool call"),
    ],
)
def test_an_answer_cut_before_it_is_one_is_final_and_names_the_limit(body: object, complaint: str) -> None:
    with pytest.raises(errors.RequestRefused, match=complaint) as caught:
        parse(body)
    assert "maxTokens" in str(caught.value)


def test_a_text_cut_at_the_limit_says_so() -> None:
    cut = parse(a_completion_body({"content": "The m"}, "length"), a_target(parameters={"maxTokens": 3})).cut
    assert cut is not None
    assert cut.message == "the answer was cut at the token limit: raise parameters.maxTokens of the LLM, which is 3"
    assert parse(a_completion_body()).cut is None


USAGE = {"prompt_tokens": 3, "completion_tokens": 4.0, "total_tokens": "7"}
PARTIAL = {"content": "The m"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        *(
            (a_completion_body(PARTIAL, reason, usage=USAGE), errors.ServerFailed)
            for reason in ("error", "abort", "insufficient_system_resource", "NETWORK_ERROR", "upstream_failure")
        ),
        *(
            (a_completion_body(PARTIAL, reason, usage=USAGE), errors.RequestRefused)
            for reason in ("SAFETY", "content_filter", "sensitive", "PROHIBITED_CONTENT", "blocked_by_policy")
        ),
        (a_completion_body(PARTIAL, "malformed_function_call", usage=USAGE), errors.InvalidAnswer),
        (a_completion_body(PARTIAL, error={"message": "upstream died", "code": 502}, usage=USAGE), errors.ServerFailed),
        (a_completion_body(PARTIAL, error="Rate limit exceeded", usage=USAGE), errors.RateLimited),
        (
            a_completion_body(PARTIAL, base_resp={"status_code": 1008, "status_msg": "no"}, usage=USAGE),
            errors.QuotaExhausted,
        ),
        (
            {"choices": [{"message": PARTIAL, "error": {"code": 502, "message": "gone"}}], "usage": USAGE},
            errors.ServerFailed,
        ),
    ],
)
def test_a_failure_beside_a_partial_answer_is_no_answer_and_its_usage_counts(
    body: object, kind: type[errors.LLMError]
) -> None:
    with pytest.raises(kind) as caught:
        parse(body)
    assert caught.value.usage == Usage(input_tokens=3, output_tokens=4, total_tokens=7, model_calls=1)


@pytest.mark.parametrize(
    "more", [{"error": None}, {"error": {}}, {"error": {"code": 0, "message": ""}}, {"base_resp": {"status_code": 0}}]
)
def test_an_error_field_that_says_that_there_is_none_is_none(more: dict[str, Any]) -> None:
    assert parse(a_completion_body(**more)).message.content == "Moonville"


def test_the_calls_of_every_choice_count() -> None:
    spoken = {"message": {"content": "I look."}, "finish_reason": "stop"}
    asked = {"message": {"content": None, **CALL_MESSAGE}, "finish_reason": "tool_calls"}
    message = parse({"choices": [spoken, asked]}).message
    assert (message.content, [call.function.name for call in message.tool_calls]) == ("I look.", ["add"])


def test_the_older_field_for_one_call_is_a_call() -> None:
    message = parse(
        a_completion_body({"content": None, "function_call": {"name": "add", "arguments": "{}"}}, "function_call")
    ).message
    assert [call.function.name for call in message.tool_calls] == ["add"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xef\xbb\xbf" + BODY, id="a byte order mark"),
        pytest.param(BODY.replace(b'"stop"', b'"stop", "logprob": NaN, "x": -Infinity'), id="NaN"),
        pytest.param(BODY.replace(b"Moonville", b"Moonville\\ud83d"), id="half of a surrogate pair"),
        pytest.param(BODY.replace(b'"stop"', b'"stop", "n": 1' + b"0" * 400), id="a number of 400 digits"),
    ],
)
def test_bodies_that_others_read_are_read(body: bytes) -> None:
    message = DIALECT.decode(a_request(), a_reply(201, body)).message
    assert message.content.startswith("Moonville")
    assert message.to_json()


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        pytest.param('{"a": 1}', '{"a": 1}', id="an object goes byte for byte"),
        pytest.param("", "{}", id="nothing"),
        pytest.param(" null ", "{}", id="null"),
        pytest.param('"{\\"a\\":1}"', '{"a":1}', id="encoded twice"),
        pytest.param('{"a":1,"b', '{"not_a_json_object":"{\\"a\\":1,\\"b"}', id="cut"),
        pytest.param("[]", '{"not_a_json_object":"[]"}', id="a list"),
        pytest.param('{"a": NaN}', '{"not_a_json_object":"{\\"a\\": NaN}"}', id="what strict parsers refuse"),
    ],
)
def test_arguments_on_the_wire_are_always_an_object(arguments: str, sent: str) -> None:
    message = Message(role="assistant", tool_calls=(a_tool_call(name="add it!", arguments=arguments),))
    (call,) = completion_body(a_request(a_target(), message))["messages"][0]["tool_calls"]
    assert call["function"]["arguments"] == sent
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call["function"]["name"])


def test_broken_arguments_of_a_whole_answer_are_the_models_fault_and_stay() -> None:
    assert parse(a_completion_body(CUT_CALL, "tool_calls")).message.tool_calls[0].function.arguments.endswith('"b')


def test_a_filtered_answer_is_refused() -> None:
    with pytest.raises(errors.RequestRefused, match="content filter"):
        parse(a_completion_body({"content": "The m"}, "content_filter"))


def test_a_failure_is_raised() -> None:
    with pytest.raises(errors.RateLimited):
        DIALECT.decode(a_request(), an_error_reply(429))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param({"code": 429, "message": "slow down"}, errors.RateLimited, id="with a status"),
        pytest.param({"code": "oops", "message": "upstream"}, errors.ServerFailed, id="without one"),
        pytest.param("upstream", errors.ServerFailed, id="as a text"),
    ],
)
def test_a_failure_inside_a_200_is_a_failure(error: object, kind: type[errors.LLMError]) -> None:
    with pytest.raises(kind):
        parse({"error": error})


def test_text_that_is_not_unicode_is_refused_here() -> None:
    with pytest.raises(errors.RequestRefused, match="cannot be sent as JSON"):
        DIALECT.encode(a_request(a_target(), Message.model_construct(role="user", content="\ud800", tool_calls=())))


def test_bodies_are_json() -> None:
    assert orjson.loads(DIALECT.encode(a_request()).body or b"")["model"] == "gpt-4o"
