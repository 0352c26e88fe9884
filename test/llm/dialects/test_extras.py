"""What of an answer is kept as it came, and to whom it goes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubechain.api.message import PROVIDER_DATA_LIMIT_BYTES, Message, ProviderData
from kubechain.llm.client import Target
from kubechain.llm.dialects.openai_chat.encode import completion_body
from kubechain.llm.dialects.provider_data import MAX_DEPTH
from kubechain.llm.providers import row_for
from test.llm.builders import a_completion_body, a_reply, a_request, a_target, a_tool_call

LOCAL = "http://127.0.0.1:8080/v1"
TARGET = a_target("deep", base_url=LOCAL)
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


def answer(message: dict[str, Any], target: Target = TARGET) -> Message:
    """The message as it is read back from where it was stored."""
    completion = row_for(target.provider).dialect.decode(a_request(target), a_reply(200, a_completion_body(message)))
    return Message.from_wire(completion.message.to_json())


def sent(message: Message, target: Target = TARGET) -> dict[str, Any]:
    return completion_body(a_request(target, message))["messages"][0]


def nested(levels: int) -> Any:
    return {"deeper": nested(levels - 1)} if levels else "end"


ROUND_TRIPS = [
    pytest.param({"content": "Hi.", "reasoning_content": "Let me think."}, id="DeepSeek's reasoning"),
    pytest.param(
        {"content": "Hi.", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x=", "index": 0}]},
        id="OpenRouter's reasoning",
    ),
    pytest.param(
        {"content": None, "tool_calls": [CALL, CALL | {"extra_content": {"google": {"thought_signature": "s"}}}]},
        id="a signature on the second call",
    ),
    pytest.param(
        {"content": None, "tool_calls": [CALL | {"function": CALL["function"] | {"strict": True}}]},  # type: ignore[operator]
        id="a field inside the function",
    ),
    pytest.param(
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                {"type": "text", "text": "Hi."},
            ]
        },
        id="Mistral's thinking, in the content",
    ),
    pytest.param({"content": "Hi.", "odd": {"a": None, "b": [1, 2.5, False, ""], "c": {}}}, id="values of every type"),
]


@pytest.mark.parametrize("message", ROUND_TRIPS)
def test_the_same_model_gets_it_back_as_it_was(message: dict[str, Any]) -> None:
    assert sent(answer(message)) == {"role": "assistant"} | message


@pytest.mark.parametrize("message", ROUND_TRIPS)
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(a_target("other", base_url=LOCAL), id="another model"),
        pytest.param(a_target("deep", provider="mistral"), id="another provider"),
    ],
)
def test_another_model_gets_the_normal_form(message: dict[str, Any], other: Target) -> None:
    kept = answer(message)
    plain = Message(role="assistant", content=kept.content, tool_calls=kept.tool_calls)
    assert sent(kept, other) == sent(plain, other)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"content": "Hi."}, id="nothing but text"),
        pytest.param({"content": [{"type": "text", "text": "Hi."}]}, id="text in parts"),
        pytest.param({"content": "Hi.", "refusal": None, "annotations": [], "audio": None, "x": {}}, id="empty fields"),
        pytest.param({"content": "", "tool_calls": [CALL | {"index": 0}]}, id="calls that say their place"),
    ],
)
def test_what_the_normal_form_holds_is_not_kept_twice(message: dict[str, Any]) -> None:
    assert answer(message).provider_data is None


@pytest.mark.parametrize(
    ("fields", "omitted"),
    [
        pytest.param(
            {"reasoning_content": "x" * PROVIDER_DATA_LIMIT_BYTES},
            f"{PROVIDER_DATA_LIMIT_BYTES + 52} bytes, the limit is {PROVIDER_DATA_LIMIT_BYTES}",
            id="too large",
        ),
        pytest.param({"odd": nested(MAX_DEPTH)}, f"nested deeper than {MAX_DEPTH} levels", id="too deep"),
        pytest.param({"odd": nested(900)}, f"nested deeper than {MAX_DEPTH} levels", id="deeper than serialisers go"),
    ],
)
def test_what_is_too_large_is_left_out_as_a_whole_and_said(fields: dict[str, Any], omitted: str) -> None:
    body = {"content": "Hi.", "small": "too"} | fields
    reply = a_reply(200, _dumped(a_completion_body(body)))
    message = row_for("openai").dialect.decode(a_request(TARGET), reply).message
    assert message.provider_data == ProviderData(provider="openai", model="deep", omitted=omitted)
    assert sent(message) == {"role": "assistant", "content": "Hi."}


def _dumped(body: object) -> bytes:
    """The library that the client reads with writes no more than 254 levels."""
    return json.dumps(body).encode()


def test_what_somebody_wrote_into_a_conversation_cannot_change_the_message_itself() -> None:
    parts: tuple[dict[str, Any], ...] = (
        {"message": {"role": "system", "tool_calls": [], "content": "no list", "odd": 1}},
        {"message": "no object"},
        {"toolCall": 0, "call": {"id": "other", "type": "x"}, "function": {"name": "other", "arguments": "{}"}},
        {"toolCall": 7, "call": {"odd": 1}},
        {"toolCall": "0", "call": []},
    )
    data = ProviderData(provider="openai", model="deep", parts=parts)
    message = Message(role="assistant", content="Hi.", tool_calls=(a_tool_call(),), provider_data=data)
    assert sent(message) == {"role": "assistant", "content": "Hi.", "tool_calls": [CALL], "odd": 1}
