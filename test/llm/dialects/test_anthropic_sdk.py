"""The anthropic-messages dialect against Anthropic's own SDK: the same conversation makes the same request.

The SDK is a judge here and nothing else: it builds the requests from its typed parameters, and reads replies and
streams into its own types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import anthropic
import httpx2
import orjson
import pytest
from anthropic.types import Message as SdkMessage
from pydantic import TypeAdapter

from kubechain.api.message import Message
from kubechain.llm.client import Target, ToolDefinition
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.exchange import HttpCall
from kubechain.llm.providers import row_for
from test.llm.builders import CANARY, a_reply, a_tool_call, user
from test.llm.dialects.test_anthropic_messages import (
    ADD,
    CALL,
    MARK,
    SYSTEM,
    THINKING,
    a_message_body,
    assistant,
    claude,
    result,
    text,
)
from test.llm.dialects.test_streams import MESSAGE, streamed

DIALECT = row_for("anthropic").dialect
TOOL = {"name": "add", "description": "Adds.", "input_schema": ADD.parameters} | MARK
IRRELEVANT = frozenset({"content-length", "host", "user-agent", "connection", "accept-encoding", "authorization"})
"""Headers that are the HTTP library's, or another form of the key: Anthropic takes both."""


def sdk_request(**parameters: Any) -> httpx2.Request:
    """What the SDK sends for a call with these parameters."""
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json=a_message_body(text("Hi.")))

    transport = httpx2.Client(transport=httpx2.MockTransport(answer))
    with anthropic.Anthropic(api_key=CANARY, http_client=transport, max_retries=0) as client:
        client.messages.create(model="claude-opus-5", **parameters)
    return sent[0]


def ours(target: Target, messages: Sequence[Message], tools: Sequence[ToolDefinition] = ()) -> HttpCall:
    return DIALECT.encode(CompletionRequest(target, messages, tools))


def said(*turns: tuple[str, list[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Turns as the SDK takes them; the last block of each of the user's is marked for the cache."""
    return [
        {"role": role, "content": [*blocks[:-1], {**blocks[-1], **MARK}] if role == "user" else blocks}
        for role, blocks in turns
    ]


def answered(call_id: str, content: str = "7", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}


def thought() -> Message:
    """An answer with thinking and two calls, as it is stored."""
    body = a_message_body(THINKING, text("I add."), CALL, CALL | {"id": "toolu_2"}, stop_reason="tool_use")
    return DIALECT.decode(CompletionRequest(claude(), ()), a_reply(200, body)).message


LIMIT: dict[str, Any] = {"max_tokens": 16_384}
CONVERSATIONS = [
    pytest.param((user("Hi"),), (), LIMIT | {"messages": said(("user", [text("Hi")]))}, id="a question"),
    pytest.param(
        (SYSTEM, user("Hi"), assistant("Hello."), user("Bye")),
        (ADD,),
        LIMIT
        | {
            "system": [text("Be brief.") | MARK],
            "tools": [TOOL],
            "messages": said(("user", [text("Hi")]), ("assistant", [text("Hello.")]), ("user", [text("Bye")])),
        },
        id="a system prompt, a tool and two questions",
    ),
    pytest.param(
        (user("Add."), assistant("", "toolu_1", "toolu_2"), result("toolu_1"), result("toolu_2", "no", is_error=True)),
        (ADD,),
        LIMIT
        | {
            "tools": [TOOL],
            "messages": said(
                ("user", [text("Add.")]),
                ("assistant", [CALL, CALL | {"id": "toolu_2"}]),
                ("user", [answered("toolu_1"), answered("toolu_2", "no", is_error=True)]),
            ),
        },
        id="parallel calls, one of them failed",
    ),
    pytest.param(
        (user("Add."), thought(), result("toolu_1"), result("toolu_2"), user("Quick!")),
        (ADD,),
        LIMIT
        | {
            "tools": [TOOL],
            "messages": said(
                ("user", [text("Add.")]),
                ("assistant", [THINKING, text("I add."), CALL, CALL | {"id": "toolu_2"}]),
                ("user", [answered("toolu_1"), answered("toolu_2"), text("Quick!")]),
            ),
        },
        id="thinking before parallel calls, and a word of the user",
    ),
]


@pytest.mark.parametrize(("messages", "tools", "parameters"), CONVERSATIONS)
def test_the_sdk_makes_the_same_request(
    messages: Sequence[Message], tools: Sequence[ToolDefinition], parameters: dict[str, Any]
) -> None:
    theirs, mine = sdk_request(**parameters), ours(claude(), messages, tools)
    assert orjson.loads(mine.body or b"") == orjson.loads(theirs.content)
    assert (mine.method, mine.url) == (theirs.method, str(theirs.url))
    expected = {name: value for name, value in theirs.headers.items() if not name.startswith("x-stainless")}
    sent = {name: value for name, value in mine.headers.items() if name != "x-api-key"}
    assert sent == {name: value for name, value in expected.items() if name not in IRRELEVANT | {"x-api-key"}}


def test_the_sdk_makes_the_same_request_for_a_stream() -> None:
    target = claude(parameters={"maxTokens": 64_000})
    theirs = sdk_request(stream=True, max_tokens=64_000, messages=said(("user", [text("Hi")])))
    assert orjson.loads(ours(target, [user("Hi")]).body or b"") == orjson.loads(theirs.content)


@pytest.mark.parametrize("max_tokens", [21_333, 21_334])
def test_a_stream_is_asked_for_where_the_sdk_insists_on_one(max_tokens: int) -> None:
    body = orjson.loads(ours(claude(parameters={"maxTokens": max_tokens}), [user("Hi")]).body or b"")
    with pytest.raises(ValueError, match="Streaming is required") if body.get("stream") else nullcontext():
        sdk_request(max_tokens=max_tokens, messages=said(("user", [text("Hi")])))
    assert ("stream" in body) == (max_tokens == 21_334)


def test_every_body_is_valid_by_the_types_of_the_sdk() -> None:
    types: TypeAdapter[Any] = TypeAdapter(anthropic.types.message_create_params.MessageCreateParamsNonStreaming)
    window = [SYSTEM, user("Add."), thought(), result("toolu_1"), result("toolu_2", "no", is_error=True), user("?")]
    foreign = Message(role="assistant", tool_calls=(a_tool_call("functions.x:0", arguments="[1"),))
    body = ours(claude(), [*window, foreign, result("functions.x:0")], [ADD]).body or b""
    assert types.validate_python(orjson.loads(body), strict=True)


@pytest.mark.parametrize(
    "body",
    [
        a_message_body(text("Hi.")),
        a_message_body(THINKING, text("I add."), CALL, stop_reason="tool_use"),
        a_message_body({"type": "redacted_thinking", "data": "ZW5j"}, CALL, stop_reason="tool_use"),
        a_message_body(text("Once"), stop_reason="max_tokens"),
    ],
)
def test_what_the_sdk_reads_is_what_we_read(body: dict[str, Any]) -> None:
    theirs = SdkMessage.model_validate(body, strict=True)
    mine = DIALECT.decode(CompletionRequest(claude(), ()), a_reply(200, theirs.model_dump(mode="json")))
    assert mine.message.content == "".join(block.text for block in theirs.content if block.type == "text")
    uses = [block for block in theirs.content if block.type == "tool_use"]
    calls = [(call.id, call.function.name, orjson.loads(call.function.arguments)) for call in mine.message.tool_calls]
    assert calls == [(use.id, use.name, use.input) for use in uses]
    assert (mine.finish_reason, mine.model) == (theirs.stop_reason, theirs.model)
    assert (mine.usage.input_tokens, mine.usage.output_tokens) == (
        theirs.usage.input_tokens,
        theirs.usage.output_tokens,
    )


def test_the_sdk_puts_the_same_stream_together() -> None:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=MESSAGE)

    transport = httpx2.Client(transport=httpx2.MockTransport(answer))
    target = claude()
    with (
        anthropic.Anthropic(api_key=CANARY, http_client=transport) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]) as stream,
    ):
        theirs = stream.get_final_message()
    mine = streamed(target, MESSAGE)
    assert mine.message.content == "".join(block.text for block in theirs.content if block.type == "text")
    uses = [block for block in theirs.content if block.type == "tool_use"]
    calls = [
        (one.id, one.function.name, orjson.loads(one.function.arguments or "{}")) for one in mine.message.tool_calls
    ]
    assert calls == [(use.id, use.name, use.input) for use in uses]
    assert mine.message.provider_data is not None
    assert mine.message.provider_data.parts[0]["block"] == theirs.content[0].model_dump()
    assert mine.usage.output_tokens == theirs.usage.output_tokens
