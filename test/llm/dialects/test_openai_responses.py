"""The openai-responses dialect, against OpenAI's own SDK where it can judge: what is sent, and what is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2
import openai
import orjson
import pytest
from openai.types.responses import Response
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from kubechain.api.message import Message
from kubechain.llm import errors
from kubechain.llm.client import Completion, Target, ToolDefinition
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.exchange import HttpReply
from kubechain.llm.providers import ignored_parameters, row_for
from test.llm.builders import CANARY, a_reply, a_target, an_error_reply, an_llm, user
from test.llm.dialects.test_gemini import ADD, assistant, result

DIALECT = row_for("openai").dialect_named("responses")
REASONING: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "ZW5j"}
TOOL = {
    "type": "function",
    "name": "add",
    "description": "Adds.",
    "parameters": dict(ADD.parameters),
    "strict": False,
}
ALWAYS: dict[str, Any] = {"store": False, "include": ["reasoning.encrypted_content"]}


def gpt(model: str = "gpt-5", **settings: Any) -> Target:
    given: dict[str, Any] = {"openai": {"api": "Responses"}} | settings
    return a_target(model, **given)


def sent(*messages: Message, tools: tuple[ToolDefinition, ...] = (), target: Target | None = None) -> dict[str, Any]:
    return orjson.loads(DIALECT.encode(CompletionRequest(target or gpt(), messages, tools)).body or b"")


def a_message(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": list(parts)} | more


def a_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": list[str]()}


def a_call(call_id: str = "c1") -> dict[str, Any]:
    named = {"id": f"fc_{call_id}", "call_id": call_id, "name": "add", "arguments": '{"a": 1}'}
    return {"type": "function_call", "status": "completed"} | named


def a_body(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    counts = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    sorts = {
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 3},
    }
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5-2026", "status": status}
    rest = {"error": None, "parallel_tool_calls": True, "tool_choice": "auto", "tools": list[str]()}
    return head | rest | {"output": list(output), "usage": counts | sorts} | more


def parse(body: object, target: Target | None = None) -> Completion:
    return parse_reply(a_reply(200, body), target)


def parse_reply(reply: HttpReply, target: Target | None = None) -> Completion:
    return DIALECT.decode(CompletionRequest(target or gpt(), [user("Hi")]), reply)


def thought() -> Message:
    return parse(a_body(REASONING, a_message(a_text("I add.")), a_call("c1"), a_call("c2"))).message


# --- the request


@pytest.mark.parametrize(
    ("target", "url"),
    [
        pytest.param(gpt(), "https://api.openai.com/v1/responses", id="OpenAI"),
        pytest.param(
            gpt(base_url="https://mine.openai.azure.com/openai/v1"),
            "https://mine.openai.azure.com/openai/v1/responses",
            id="Azure's v1 API",
        ),
        pytest.param(gpt(base_url="http://127.0.0.1:1/v1"), "http://127.0.0.1:1/v1/responses", id="another server"),
    ],
)
def test_the_call_goes_to_the_right_address(target: Target, url: str) -> None:
    assert DIALECT.encode(CompletionRequest(target, [user("Hi")])).url == url


def test_azure_with_a_version_of_its_api_has_no_responses() -> None:
    with pytest.raises(errors.InvalidTarget, match="a part of Azure's"):
        gpt(
            base_url="https://mine.openai.azure.com",
            openai={"api": "Responses", "apiType": "AZURE", "apiVersion": "2024-10-21"},
        )


def test_settings_without_effect_are_named() -> None:
    parameters = {"temperature": "0.5", "maxTokens": 64, "topP": "0.5", "topK": 3, "presencePenalty": "1"}
    settings = {"api": "Responses", "maxTokensField": "max_tokens", "organization": "org-1"}
    llm = an_llm("gpt-5", parameters=parameters, openai=settings)
    assert set(ignored_parameters(llm)) == {"openai.maxTokensField", "parameters.topK", "parameters.presencePenalty"}


def test_a_limit_below_the_least_of_the_api_is_raised_to_it() -> None:
    assert sent(user("Hi"), target=gpt(parameters={"maxTokens": 1}))["max_output_tokens"] == 16


def test_models_without_reasoning_are_not_asked_for_it() -> None:
    assert "include" not in sent(user("Hi"), target=gpt("gpt-4o"))


def sdk_body(**parameters: Any) -> tuple[dict[str, Any], httpx2.Request]:
    """What the SDK sends for a call with these parameters."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=a_body(a_message(a_text("Hi."))))

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with openai.OpenAI(api_key=CANARY, http_client=http, max_retries=0, base_url="https://api.openai.com/v1") as client:
        client.responses.create(model="gpt-5", **parameters)
    return orjson.loads(seen[0].content), seen[0]


def an_input(role: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": text}


def an_output(call_id: str, text: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


CONVERSATIONS = [
    pytest.param((user("Hi"),), (), {"input": [an_input("user", "Hi")]}, id="a question"),
    pytest.param(
        (Message(role="system", content="Be brief."), user("Hi"), assistant("Hello."), user("Bye")),
        (ADD,),
        {
            "instructions": "Be brief.",
            "tools": [TOOL],
            "input": [an_input("user", "Hi"), an_input("assistant", "Hello."), an_input("user", "Bye")],
        },
        id="a system prompt, a tool and two questions",
    ),
    pytest.param(
        (user("Add."), thought(), result("c1"), result("c2", "no", is_error=True), user("So?")),
        (ADD,),
        {
            "tools": [TOOL],
            "input": [
                an_input("user", "Add."),
                REASONING,
                a_message(a_text("I add.")),
                {name: value for name, value in a_call("c1").items() if name != "status"},
                {name: value for name, value in a_call("c2").items() if name != "status"},
                an_output("c1", "7"),
                an_output("c2", "no"),
                an_input("user", "So?"),
            ],
        },
        id="reasoning before parallel calls",
    ),
]


@pytest.mark.parametrize(("messages", "tools", "parameters"), CONVERSATIONS)
def test_the_sdk_makes_the_same_request(
    messages: Sequence[Message], tools: Sequence[ToolDefinition], parameters: dict[str, Any]
) -> None:
    theirs, request = sdk_body(temperature=0.5, max_output_tokens=64, **parameters, **ALWAYS)
    call = DIALECT.encode(CompletionRequest(gpt(parameters={"temperature": "0.5", "maxTokens": 64}), messages, tools))
    mine = orjson.loads(call.body or b"")
    assert mine == theirs
    assert (call.method, call.url) == (request.method, str(request.url))
    assert call.headers["authorization"] == request.headers["authorization"]
    assert TypeAdapter[Any](ResponseCreateParamsNonStreaming).validate_python(mine)


def test_reasoning_of_another_model_does_not_go_along() -> None:
    items = sent(user("Add."), thought(), target=gpt("gpt-5-mini"))["input"]
    assert [item["type"] for item in items] == ["message", "message", "function_call", "function_call"]
    assert not any("id" in item for item in items)


# --- the answer


@pytest.mark.parametrize(
    "body",
    [
        a_body(a_message(a_text("Hi."))),
        a_body(REASONING, a_message(a_text("I add.")), a_call("c1"), a_call("c2")),
        a_body(a_message(a_text("Once")), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    ],
)
def test_what_the_sdk_reads_is_what_we_read(body: dict[str, Any]) -> None:
    theirs = Response.model_validate(body)
    mine = parse(theirs.model_dump(mode="json"))
    assert mine.message.content == theirs.output_text
    assert theirs.usage is not None
    usage = mine.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (10, 5, theirs.usage.total_tokens)
    assert (usage.cache_read_tokens, usage.reasoning_tokens) == (4, 3)
    calls = [(call.id, call.function.name, call.function.arguments) for call in mine.message.tool_calls]
    assert calls == [(one.call_id, one.name, one.arguments) for one in theirs.output if one.type == "function_call"]
    assert (mine.cut is not None) == (theirs.status == "incomplete")


def test_a_refusal_is_the_answer() -> None:
    completion = parse(a_body(a_message({"type": "refusal", "refusal": "I will not."})))
    assert (completion.message.content, completion.finish_reason) == ("I will not.", "refusal")


def test_answers_without_reasoning_keep_nothing_of_the_provider() -> None:
    assert parse(a_body(a_message(a_text("Hi.")), a_call())).message.provider_data is None


INCOMPLETE: dict[str, Any] = {"status": "incomplete"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(
            a_body(a_message(a_text("x")), **INCOMPLETE, incomplete_details={"reason": "content_filter"}),
            errors.RequestRefused, id="a filter",
        ),
        pytest.param(
            a_body(REASONING, **INCOMPLETE, incomplete_details={"reason": "max_output_tokens"}),
            errors.RequestRefused, id="cut before a word",
        ),
        pytest.param(
            a_body(a_message(a_text("x")), **INCOMPLETE, incomplete_details={"reason": "steered"}),
            errors.ServerFailed, id="stopped for another reason",
        ),
        pytest.param(a_body(a_message(a_text("x")), status="cancelled"), errors.ServerFailed, id="cancelled"),
        pytest.param(a_body(REASONING), errors.InvalidAnswer, id="only reasoning"),
        pytest.param(
            a_body(status="failed", error={"code": "server_error", "message": "Broken."}), errors.ServerFailed,
            id="the server failed",
        ),
        pytest.param(
            a_body(status="failed", error={"code": "rate_limit_exceeded", "message": "Slowly."}), errors.RateLimited,
            id="a rate limit",
        ),
        pytest.param(
            a_body(status="failed", error={"code": "invalid_prompt", "message": "No."}), errors.RequestRefused,
            id="a prompt that is refused",
        ),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_has_a_reason_and_its_usage(body: object, kind: type[errors.LLMError]) -> None:
    with pytest.raises(errors.LLMError) as caught:
        parse(body)
    assert type(caught.value) is kind
    assert caught.value.usage is not None
    assert caught.value.usage.input_tokens == 10


def test_reasoning_that_cannot_be_decrypted_is_told_apart() -> None:
    reply = an_error_reply(400, "The encrypted content could not be verified.", "invalid_encrypted_content")
    with pytest.raises(errors.ProviderDataRefused):
        parse_reply(reply)
