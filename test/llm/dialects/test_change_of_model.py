"""A conversation that one dialect recorded goes on with every other, and is valid by the types of that one's SDK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anthropic
import orjson
import pytest
from google.genai import types as google
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import BaseModel, TypeAdapter

from kubechain.api.message import Message
from kubechain.llm.client import Target
from kubechain.llm.dialects.dialect import CompletionRequest, Dialect
from kubechain.llm.providers import row_for
from test.llm.builders import a_completion_body, a_reply, a_target, user
from test.llm.dialects import test_anthropic_messages as of_anthropic
from test.llm.dialects import test_gemini as of_gemini
from test.llm.dialects import test_openai_responses as of_responses
from test.llm.dialects.test_gemini import ADD

SECRET_WORDS = ("c2lnbmVk", "c2ln", "ZW5j", "reasoned")
"""What only the provider that wrote it may get back."""


class GenerateContent(BaseModel):
    """The body of a request by the types of Google's SDK, which has none for the whole of it."""

    contents: list[google.Content]
    systemInstruction: google.Content | None = None  # noqa: N815 name on the wire
    tools: list[dict[str, Any]] = []
    generationConfig: google.GenerationConfig | None = None  # noqa: N815


@dataclass(frozen=True, slots=True)
class Side:
    """A dialect with an answer of it that asks for two calls side by side, and its SDK's type of a request."""

    target: Target
    answer: Mapping[str, Any]
    request_type: Any

    @property
    def dialect(self) -> Dialect:
        return row_for(self.target.provider).dialect_named(self.target.dialect)

    def recorded(self) -> Message:
        request = CompletionRequest(self.target, [user("Add.")], [ADD])
        return Message.from_wire(self.dialect.decode(request, a_reply(200, self.answer)).message.to_json())


def chat_call(call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


SIGNED_CALL = chat_call("c1") | {"extra_content": {"google": {"thought_signature": "c2lnbmVk"}}}
"""A call with what some compatible servers sign it with."""

SIDES: dict[str, Side] = {
    "openai-chat": Side(
        a_target("gpt-5"),
        a_completion_body(
            {"content": "I add.", "reasoning_content": "reasoned", "tool_calls": [chat_call("c1"), chat_call("c2")]}
        ),
        CompletionCreateParamsNonStreaming,
    ),
    "openai-responses": Side(
        of_responses.gpt("gpt-5.1"),
        of_responses.a_body(
            of_responses.REASONING,
            of_responses.a_message(of_responses.a_text("I add.")),
            of_responses.a_call("c1"),
            of_responses.a_call("c2"),
        ),
        ResponseCreateParamsNonStreaming,
    ),
    "anthropic-messages": Side(
        of_anthropic.claude(),
        of_anthropic.a_message_body(
            of_anthropic.THINKING,
            of_anthropic.text("I add."),
            of_anthropic.CALL | {"id": "c1"},
            of_anthropic.CALL | {"id": "c2"},
            stop_reason="tool_use",
        ),
        anthropic.types.message_create_params.MessageCreateParamsNonStreaming,
    ),
    "gemini": Side(
        of_gemini.gemini(),
        of_gemini.a_body({"text": "I add."}, of_gemini.a_call("c1", **of_gemini.SIGNATURE), of_gemini.a_call("c2")),
        GenerateContent,
    ),
}

GPT = "gpt-5.1"
CHAT = Side(
    a_target(GPT),
    a_completion_body({"content": None, "reasoning_content": "reasoned", "tool_calls": [SIGNED_CALL]}),
    CompletionCreateParamsNonStreaming,
)
RESPONSES = Side(
    of_responses.gpt(GPT),
    of_responses.a_body(of_responses.REASONING, of_responses.a_call("c1")),
    ResponseCreateParamsNonStreaming,
)
"""The two APIs of one provider, with one model; without texts, whose lengths would tell their records apart."""


@pytest.mark.parametrize("after", list(SIDES))
@pytest.mark.parametrize("before", list(SIDES))
def test_a_conversation_goes_on_with_another_model(before: str, after: str) -> None:
    answer, side = SIDES[before].recorded(), SIDES[after]
    results = [of_gemini.result("c1"), of_gemini.result("c2", "no", is_error=True)]
    window = [Message(role="system", content="Be brief."), user("Add."), answer, *results, user("So?")]
    body = side.dialect.encode(CompletionRequest(side.target, window, [ADD])).body or b""
    assert TypeAdapter(side.request_type).validate_python(orjson.loads(body))
    sent = body.decode()
    assert [sent.count(text) for text in ("I add.", "Be brief.", "So?")] == [1, 1, 1]
    assert sent.count("c1") >= 2
    assert any(word in sent for word in SECRET_WORDS) == (before == after)


@pytest.mark.parametrize(
    ("before", "after", "comes_back"),
    [
        pytest.param(CHAT, CHAT, True, id="chat completions as before"),
        pytest.param(RESPONSES, RESPONSES, True, id="responses as before"),
        pytest.param(CHAT, RESPONSES, False, id="from chat completions to responses"),
        pytest.param(RESPONSES, CHAT, False, id="from responses to chat completions"),
    ],
)
def test_a_conversation_goes_on_with_the_same_model_over_another_api(
    before: Side, after: Side, comes_back: bool
) -> None:
    assert before.target.provider == after.target.provider
    window = [user("Add."), before.recorded(), of_gemini.result("c1")]
    body = orjson.loads(after.dialect.encode(CompletionRequest(after.target, window, [ADD])).body or b"")
    assert TypeAdapter(after.request_type).validate_python(body)
    assert {} not in body.get("input", ())
    assert any(word in orjson.dumps(body).decode() for word in SECRET_WORDS) == comes_back
