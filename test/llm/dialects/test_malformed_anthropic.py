"""Malformed answers of Anthropic's API: whatever comes, the outcome is a completion or an `LLMError`, never another.

10,000 in the profile `long`: 2,000 of each sort.
"""

from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from kubechain.api.message import Message
from kubechain.api.usage import Usage
from kubechain.llm import errors
from kubechain.llm.client import Target
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.providers import row_for
from test.examples import examples
from test.llm.builders import a_reply, a_target, user
from test.llm.dialects.test_anthropic_messages import CALL, THINKING, a_message_body, text
from test.llm.dialects.test_streams import MESSAGE, START, ended

CLAUDE = a_target("claude-opus-5", provider="anthropic")
DIALECT = row_for("anthropic").dialect
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8), st.just("x" * 300)
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)
TYPES: st.SearchStrategy[Any] = st.sampled_from(
    ["text", "tool_use", "thinking", "redacted_thinking", "server_tool_use", "", None, 7, [], {}]
)
NAMES = st.sampled_from(["type", "text", "id", "name", "input", "thinking", "signature", "data", "caller", "citations"])
BLOCKS = st.one_of(
    JSON,
    st.dictionaries(NAMES, JSON).flatmap(lambda fields: TYPES.map(lambda kind: fields | {"type": kind})),
    st.sampled_from([CALL, THINKING, text("Hi.")]),
)
COUNTS = st.dictionaries(
    st.sampled_from(["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]),
    st.one_of(st.integers(-5, 2**70), JSON),
)
BODIES = st.fixed_dictionaries(
    {"type": st.one_of(st.just("message"), st.just("error"), JSON)},
    optional={
        "content": st.one_of(st.lists(BLOCKS, max_size=4), JSON),
        "stop_reason": st.one_of(
            st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal", "pause_turn", "new_reason"]), JSON
        ),
        "stop_details": JSON,
        "usage": st.one_of(COUNTS, JSON),
        "model": JSON,
        "error": JSON,
    },
)


def encoded(value: object) -> bytes:
    """JSON as strict servers write it, and as the others do."""
    return json.dumps(value).encode()


def settle(body: bytes, target: Target = CLAUDE) -> Usage | None:
    """Read a body; what came of it must be storable, and go back to the provider."""
    try:
        completion = DIALECT.decode(CompletionRequest(target, [user("Hi")]), a_reply(200, body))
    except errors.LLMError as error:
        return error.usage
    stored = Message.from_wire(completion.message.to_json())
    assert stored.content.strip() or stored.tool_calls
    assert orjson.loads(DIALECT.encode(CompletionRequest(target, [user("Hi"), stored])).body or b"")
    return completion.usage


@settings(max_examples=examples(2_000))
@given(BODIES)
def test_bodies_of_any_shape(body: dict[str, Any]) -> None:
    settle(encoded(body))


@settings(max_examples=examples(2_000))
@given(st.one_of(st.binary(max_size=200), JSON.map(encoded)))
def test_bodies_that_are_something_else(body: bytes) -> None:
    settle(body)


@settings(max_examples=examples(2_000))
@given(st.lists(BLOCKS, max_size=4), st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal", "error"]))
def test_the_usage_is_kept_whatever_the_answer(blocks: list[Any], reason: str) -> None:
    usage = settle(encoded(a_message_body(*blocks, stop_reason=reason)))
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.model_calls) == (10, 5, 1)


@settings(max_examples=examples(2_000))
@given(st.integers(0, len(MESSAGE)), st.integers(0, len(MESSAGE)), st.binary(max_size=6))
def test_streams_with_a_piece_cut_out_and_another_put_in(start: int, length: int, piece: bytes) -> None:
    stream = MESSAGE[:start] + piece + MESSAGE[start + length :]
    reader = DIALECT.reader(200, {"content-type": "text/event-stream"})
    try:
        reader.feed(stream)
        body = reader.body()
    except errors.LLMError:
        return
    settle(body)


KINDS = st.sampled_from(
    ["message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "error"]
)
DELTA_KINDS = st.sampled_from(["text_delta", "input_json_delta", "thinking_delta", "citations_delta"])
DELTA_FIELDS = dict.fromkeys(("text", "partial_json", "thinking", "citation"), JSON)
DELTAS: st.SearchStrategy[Any] = st.one_of(JSON, st.fixed_dictionaries({"type": DELTA_KINDS}, optional=DELTA_FIELDS))
EVENT_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "index": JSON,
    "message": JSON,
    "content_block": BLOCKS,
    "delta": DELTAS,
    "usage": COUNTS,
    "error": JSON,
}
EVENTS: st.SearchStrategy[Any] = st.one_of(JSON, st.fixed_dictionaries({"type": KINDS}, optional=EVENT_FIELDS))


@settings(max_examples=examples(2_000))
@given(st.lists(EVENTS, max_size=6))
def test_streams_of_any_events(events: list[Any]) -> None:
    reader = DIALECT.reader(200, {"content-type": "text/event-stream"})
    try:
        for event in (START, *events, ended(), {"type": "message_stop"}):
            reader.feed(b"data: " + encoded(event) + b"\n\n")
        body = reader.body()
    except errors.LLMError:
        return
    settle(body)
