"""Streams: what is asked for, how events become the body of a whole reply, and what a stream without an end is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain.llm import errors
from kubechain.llm.client import Completion, Target
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.exchange import WholeBody
from kubechain.llm.providers import row_for
from kubechain.llm.sse import EventLines, ServerSentEvent
from test.llm.builders import a_reply, a_target, user

CLAUDE = a_target("claude-opus-5", provider="anthropic")
CHAT = a_target("deep", base_url="http://127.0.0.1:1/v1")


def streamed(target: Target, stream: bytes, chunk_bytes: int = 7) -> Completion:
    """The completion that is read from a stream that comes in pieces of this size."""
    dialect = row_for(target.provider).dialect
    reader = dialect.reader(200, {"content-type": "text/event-stream; charset=utf-8"})
    for start in range(0, len(stream), chunk_bytes):
        reader.feed(stream[start : start + chunk_bytes])
    return dialect.decode(CompletionRequest(target, [user("Hi")]), a_reply(200, reader.body()))


def messages_stream(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (one["type"].encode(), orjson.dumps(one)) for one in events)


def chat_stream(*chunks: dict[str, Any], end: bytes = b"data: [DONE]\n\n") -> bytes:
    return b"".join(b"data: %s\n\n" % orjson.dumps(one) for one in chunks) + end


# --- server-sent events


def events(chunks: Iterable[bytes]) -> list[ServerSentEvent]:
    lines = EventLines()
    return [event for chunk in chunks for event in lines.feed(chunk)] + list(lines.end())


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 1000])
def test_events_are_found_wherever_the_chunks_are_cut(line_end: bytes, chunk_bytes: int) -> None:
    text = b": comment\n\nevent: a\ndata: 1\ndata:2\nid: 7\n\ndata: \xc3\xa4\n\nevent: empty\n\ndata: last"
    stream = text.replace(b"\n", line_end)
    chunks = [stream[start : start + chunk_bytes] for start in range(0, len(stream), chunk_bytes)]
    assert events(chunks) == [
        ServerSentEvent("a", b"1\n2"),
        ServerSentEvent("", "ä".encode()),
        ServerSentEvent("", b"last"),
    ]


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_any_bytes_are_read(chunks: Sequence[bytes]) -> None:
    assert events(chunks) == events([b"".join(chunks)])


def test_a_reply_that_is_no_stream_is_read_whole() -> None:
    for dialect in (row_for("anthropic").dialect, row_for("openai").dialect):
        assert isinstance(dialect.reader(200, {"content-type": "application/json"}), WholeBody)
        assert isinstance(dialect.reader(429, {"content-type": "text/event-stream"}), WholeBody)
        assert isinstance(dialect.reader(200, {}), WholeBody)


# --- anthropic-messages

START: dict[str, Any] = {
    "type": "message_start",
    "message": {
        "type": "message",
        "role": "assistant",
        "id": "msg_1",
        "model": "claude-opus-5-1",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 100, "output_tokens": 1},
    },
}
PING = {"type": "ping"}
STOP = {"type": "message_stop"}


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def ended(reason: str = "end_turn", **usage: int) -> dict[str, Any]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5} | usage}


THOUGHT = block(
    0,
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "H"},
    {"type": "thinking_delta", "thinking": "m."},
    {"type": "signature_delta", "signature": "c2ln"},
)
SAID = block(1, {"type": "text", "text": ""}, *({"type": "text_delta", "text": one} for one in ("I ", "add", ".")))
CALLED = block(
    2,
    {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}},
    *({"type": "input_json_delta", "partial_json": one} for one in ("", '{"a":', " 1}")),
)
EMPTY_CALL = block(3, {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}})
MESSAGE = messages_stream(START, PING, *THOUGHT, *SAID, *CALLED, *EMPTY_CALL, ended("tool_use"), STOP)


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 100_000])
def test_a_message_is_put_together(chunk_bytes: int) -> None:
    completion = streamed(CLAUDE, MESSAGE, chunk_bytes)
    message = completion.message
    assert (message.content, completion.model, completion.finish_reason) == ("I add.", "claude-opus-5-1", "tool_use")
    calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls]
    assert calls == [("toolu_1", "add", '{"a": 1}'), ("toolu_2", "now", "")]
    assert message.provider_data is not None
    assert message.provider_data.parts[0] == {
        "block": {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
    }
    usage = completion.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (110, 5, 100)


def test_events_of_a_later_version_are_passed_over() -> None:
    later = {"type": "content_block_delta", "index": 1, "delta": {"type": "smell_delta", "smell": "rose"}}
    stream = messages_stream(START, {"type": "weather"}, *SAID, later, ended(), STOP)
    assert streamed(CLAUDE, stream).message.content == "I add."


def test_counts_at_the_end_take_the_place_of_those_at_the_beginning() -> None:
    stream = messages_stream(START, *SAID, ended(input_tokens=30, cache_read_input_tokens=0), STOP)
    assert streamed(CLAUDE, stream).usage.input_tokens == 30


def test_a_call_that_is_cut_in_its_arguments_is_none() -> None:
    stream = messages_stream(START, *CALLED[:-2], ended("max_tokens"), STOP)
    with pytest.raises(errors.RequestRefused, match="a tool call was cut at the token limit"):
        streamed(CLAUDE, stream)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("overloaded_error", errors.ServerFailed),
        ("api_error", errors.ServerFailed),
        ("rate_limit_error", errors.RateLimited),
        ("invalid_request_error", errors.RequestRefused),
    ],
)
def test_an_error_in_the_stream_is_the_one_that_it_names(kind: str, error: type[errors.LLMError]) -> None:
    said = {"type": "error", "error": {"type": kind, "message": "No."}}
    with pytest.raises(error, match=r'"No\."') as caught:
        streamed(CLAUDE, messages_stream(START, *SAID, said))
    assert caught.value.usage is not None
    assert caught.value.usage.input_tokens == 110


# --- openai-chat


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "deep-1", "choices": [choice], **more}


def call_delta(index: int, **fields: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, **fields}]}


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
COUNTED: dict[str, Any] = {
    "id": "c1",
    "object": "chat.completion.chunk",
    "model": "deep-1",
    "choices": [],
    "usage": USAGE,
}
CHUNKS = (
    chunk({"role": "assistant", "content": "", "reasoning_content": "H"}),
    chunk({"reasoning_content": "m."}),
    chunk({"content": "I "}),
    chunk({"content": "add."}),
    chunk(call_delta(0, id="call_1", type="function", function={"name": "add", "arguments": ""})),
    chunk(call_delta(0, function={"arguments": '{"a":'})),
    chunk(call_delta(1, id="call_2", type="function", function={"name": "add", "arguments": '{"a": 2}'})),
    chunk(call_delta(0, id="", function={"name": None, "arguments": " 1}"})),
    chunk({}, "tool_calls"),
)


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 100_000])
def test_a_chat_completion_is_put_together(chunk_bytes: int) -> None:
    completion = streamed(CHAT, chat_stream(*CHUNKS, COUNTED), chunk_bytes)
    message = completion.message
    assert (message.content, completion.model, completion.finish_reason) == ("I add.", "deep-1", "tool_calls")
    calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls]
    assert calls == [("call_1", "add", '{"a": 1}'), ("call_2", "add", '{"a": 2}')]
    assert message.provider_data is not None
    assert message.provider_data.parts == ({"message": {"reasoning_content": "Hm."}},)
    assert completion.usage.total_tokens == 15


def test_content_that_is_a_list_and_then_a_text_stays_a_list() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    stream = chat_stream(chunk({"content": [thinking]}), chunk({"content": "Hi"}), chunk({"content": "."}, "stop"))
    message = streamed(CHAT, stream).message
    assert message.content == "Hi."
    assert message.provider_data is not None


def test_an_error_in_a_chat_stream_is_the_one_that_it_names() -> None:
    with pytest.raises(errors.RateLimited, match="slow down"):
        streamed(CHAT, chat_stream(CHUNKS[0], {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}))


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"parameters": {"stream": "Always"}}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"provider": "mistral", "parameters": {"stream": "Always"}}, {"stream": True}),
        ({"parameters": {"stream": "Never"}}, {}),
        ({"parameters": {"stream": "Auto"}}, {}),
        ({}, {}),
    ],
)
def test_a_chat_completion_is_streamed_where_the_llm_says_so(settings: dict[str, Any], fields: dict[str, Any]) -> None:
    target = a_target(**settings)
    body = orjson.loads(row_for(target.provider).dialect.encode(CompletionRequest(target, [user("Hi")])).body or b"")
    assert {name: value for name, value in body.items() if name.startswith("stream")} == fields


# --- both


@pytest.mark.parametrize(
    ("target", "stream", "counted"),
    [
        pytest.param(CLAUDE, messages_stream(START, *THOUGHT, *SAID), 110, id="no end of the message"),
        pytest.param(CLAUDE, messages_stream(START, *SAID, ended()), 110, id="no message_stop"),
        pytest.param(CLAUDE, b"", None, id="nothing of a message"),
        pytest.param(CHAT, chat_stream(*CHUNKS[:4], end=b""), None, id="no end of the choice"),
        pytest.param(CHAT, chat_stream(*CHUNKS[:4]), None, id="DONE without a finish reason"),
        pytest.param(CHAT, b"", None, id="nothing of a completion"),
    ],
)
def test_a_stream_without_a_finish_is_an_error(target: Target, stream: bytes, counted: int | None) -> None:
    with pytest.raises(errors.ConnectionLost, match="the stream ended before the answer did") as caught:
        streamed(target, stream)
    assert caught.value.usage is not None
    assert caught.value.usage.model_calls == 1
    assert counted is None or caught.value.usage.input_tokens == counted


@pytest.mark.parametrize("target", [CLAUDE, CHAT], ids=["anthropic", "openai"])
def test_an_event_that_is_no_json_is_an_invalid_answer(target: Target) -> None:
    with pytest.raises(errors.InvalidAnswer, match="not JSON"):
        streamed(target, b"data: {half\n\n")


@pytest.mark.parametrize("target", [CLAUDE, CHAT], ids=["anthropic", "openai"])
def test_a_stream_is_advised_after_a_cut(target: Target) -> None:
    request = CompletionRequest(target, [user("Hi")], is_stream_advised=True)
    assert orjson.loads(row_for(target.provider).dialect.encode(request).body or b"")["stream"] is True
