"""The gemini dialect against Google's own SDK: the same conversation makes the same request.

The SDK is a judge here and nothing else: it builds requests from its typed contents, and reads replies into its types.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2
import orjson
import pytest
from google import genai
from google.genai import types

from kubechain.api.message import Message
from kubechain.llm.client import ToolDefinition
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.dialects.finish_reasons import Finish, finish_of, is_known
from test.llm.builders import CANARY, user
from test.llm.dialects.test_gemini import (
    ADD,
    DIALECT,
    SIGNATURE,
    a_body,
    a_call,
    assistant,
    gemini,
    parse,
    result,
)


def sdk_request(contents: Sequence[types.Content], **config: Any) -> httpx2.Request:
    """What the SDK sends for these contents."""
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json=a_body({"text": "Hi."}))

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    options = types.HttpOptions(api_version="v1beta", httpx_client=http)
    with genai.Client(api_key=CANARY, vertexai=False, http_options=options) as client:
        off = types.AutomaticFunctionCallingConfig(disable=True)
        models: Any = client.models  # its types name those of an image library that is not installed
        models.generate_content(
            model="gemini-3-pro",
            contents=list(contents),
            config=types.GenerateContentConfig(automatic_function_calling=off, **config),
        )
    return sent[0]


def in_camel_case(body: dict[str, Any]) -> dict[str, Any]:
    """The SDK names one field in the other of the two ways that the API takes."""
    for tool in body.get("tools", ()):
        for declaration in tool["functionDeclarations"]:
            declaration["parametersJsonSchema"] = declaration.pop("parameters_json_schema")
    return body


def content(role: str, *parts: types.Part) -> types.Content:
    return types.Content(role=role, parts=list(parts))


def a_text(text: str) -> types.Part:
    return types.Part(text=text)


def called(call_id: str, signature: bytes | None = None) -> types.Part:
    call = types.FunctionCall(id=call_id, name="add", args={"a": 1})
    return types.Part(function_call=call, thought_signature=signature)


def answered(call_id: str, **response: str) -> types.Part:
    return types.Part(function_response=types.FunctionResponse(id=call_id, name="add", response=dict(response)))


def signed() -> Message:
    return parse(a_body({"text": "I add."}, a_call("c1", **SIGNATURE), a_call("c2"))).message


TOOLS = [
    types.Tool(
        function_declarations=[
            types.FunctionDeclaration(name="add", description="Adds.", parameters_json_schema=dict(ADD.parameters))
        ]
    )
]
CONVERSATIONS = [
    pytest.param((user("Hi"),), (), [content("user", a_text("Hi"))], {}, id="a question"),
    pytest.param(
        (Message(role="system", content="Be brief."), user("Hi"), assistant("Hello."), user("Bye")),
        (ADD,),
        [content("user", a_text("Hi")), content("model", a_text("Hello.")), content("user", a_text("Bye"))],
        {"system_instruction": types.Content(parts=[a_text("Be brief.")]), "tools": TOOLS},
        id="a system prompt, a tool and two questions",
    ),
    pytest.param(
        (user("Add."), signed(), result("c1"), result("c2", "no", is_error=True), user("So?")),
        (ADD,),
        [
            content("user", a_text("Add.")),
            content("model", a_text("I add."), called("c1", b"signed"), called("c2")),
            content("user", answered("c1", output="7"), answered("c2", error="no")),
            content("user", a_text("So?")),
        ],
        {"tools": TOOLS},
        id="signed parallel calls, one of them failed",
    ),
]


@pytest.mark.parametrize(("messages", "tools", "contents", "config"), CONVERSATIONS)
def test_the_sdk_makes_the_same_request(
    messages: Sequence[Message],
    tools: Sequence[ToolDefinition],
    contents: Sequence[types.Content],
    config: dict[str, Any],
) -> None:
    theirs = sdk_request(contents, temperature=0.5, top_k=40, max_output_tokens=64, presence_penalty=1.5, **config)
    given = {"temperature": "0.5", "topK": 40, "maxTokens": 64, "presencePenalty": "1.5"}
    mine = DIALECT.encode(CompletionRequest(gemini(parameters=given), messages, tools))
    assert orjson.loads(mine.body or b"") == in_camel_case(orjson.loads(theirs.content))
    assert (mine.method, mine.url) == (theirs.method, str(theirs.url))
    assert mine.headers["x-goog-api-key"] == theirs.headers["x-goog-api-key"]


@pytest.mark.parametrize(
    "body",
    [
        a_body({"text": "Hi."}),
        a_body({"text": "Hm.", "thought": True}, {"text": "I add."}, a_call("c1", **SIGNATURE), a_call("c2")),
        a_body({"text": "Once"}, reason="MAX_TOKENS"),
    ],
)
def test_what_the_sdk_reads_is_what_we_read(body: dict[str, Any]) -> None:
    theirs = types.GenerateContentResponse.model_validate(body)
    mine = parse(theirs.model_dump(mode="json", by_alias=True, exclude_none=True))
    assert mine.message.content == theirs.text
    calls = [(call.id, call.function.name, orjson.loads(call.function.arguments)) for call in mine.message.tool_calls]
    assert calls == [(call.id, call.name, call.args) for call in theirs.function_calls or []]
    assert theirs.usage_metadata is not None
    assert mine.usage.input_tokens == theirs.usage_metadata.prompt_token_count


@pytest.mark.parametrize("reason", [reason.value for reason in types.FinishReason])
def test_every_finish_reason_of_the_sdk_is_known_by_name(reason: str) -> None:
    assert is_known(reason)
    whole = reason in {"STOP", "FINISH_REASON_UNSPECIFIED"}
    assert (finish_of(reason) is Finish.WHOLE) == whole
