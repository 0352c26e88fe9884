"""Malformed answers of Gemini and of OpenAI's Responses: the outcome is a completion or an `LLMError`, never another.

10,000 of each dialect in the profile `long`.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubechain.api.message import Message
from kubechain.llm import errors
from kubechain.llm.client import Target
from kubechain.llm.dialects.dialect import CompletionRequest, Dialect
from kubechain.llm.providers import row_for
from test.examples import examples
from test.llm.builders import a_reply, user
from test.llm.dialects import test_gemini as of_gemini
from test.llm.dialects import test_openai_responses as of_responses
from test.llm.dialects.test_malformed_anthropic import JSON, encoded


def fields(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), JSON)


PARTS = st.one_of(
    JSON,
    fields("text", "thought", "thoughtSignature", "functionCall", "inlineData"),
    fields("id", "name", "args").map(lambda call: {"functionCall": call}),
    st.sampled_from([{"text": "Hi."}, of_gemini.a_call("c1", **of_gemini.SIGNATURE)]),
)
CANDIDATES = st.fixed_dictionaries(
    {},
    optional={
        "content": st.one_of(st.fixed_dictionaries({"parts": st.one_of(st.lists(PARTS, max_size=4), JSON)}), JSON),
        "finishReason": st.one_of(st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "NEW_REASON"]), JSON),
        "finishMessage": JSON,
    },
)
GEMINI_BODIES = st.fixed_dictionaries(
    {},
    optional={
        "candidates": st.one_of(st.lists(CANDIDATES, max_size=2), JSON),
        "promptFeedback": st.one_of(fields("blockReason", "blockReasonMessage"), JSON),
        "usageMetadata": st.one_of(fields("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"), JSON),
        "modelVersion": JSON,
        "error": JSON,
    },
)
ITEMS = st.one_of(
    JSON,
    fields("type", "id", "content", "call_id", "name", "arguments", "summary", "phase"),
    st.one_of(fields("content", "id", "phase"), fields("content")).map(lambda item: {"type": "message"} | item),
    st.lists(fields("type", "text", "refusal"), max_size=3).map(lambda parts: {"type": "message", "content": parts}),
    fields("id", "call_id", "name", "arguments").map(lambda item: {"type": "function_call"} | item),
    st.sampled_from(
        [of_responses.REASONING, of_responses.a_call(), of_responses.a_message(of_responses.a_text("Hi."))]
    ),
)
RESPONSES_BODIES = st.fixed_dictionaries(
    {"status": st.one_of(st.sampled_from(["completed", "incomplete", "failed", "new_status"]), JSON)},
    optional={
        "output": st.one_of(st.lists(ITEMS, max_size=4), JSON),
        "incomplete_details": st.one_of(fields("reason"), JSON),
        "usage": st.one_of(fields("input_tokens", "output_tokens", "input_tokens_details"), JSON),
        "model": JSON,
        "error": JSON,
    },
)
SORTS: dict[str, tuple[Dialect, Target, st.SearchStrategy[dict[str, Any]]]] = {
    "gemini": (row_for("google").dialect, of_gemini.gemini(), GEMINI_BODIES),
    "responses": (of_responses.DIALECT, of_responses.gpt(), RESPONSES_BODIES),
}


def settle(dialect: Dialect, target: Target, body: bytes) -> None:
    """Read a body; what came of it must be storable, and go back to the provider."""
    try:
        completion = dialect.decode(CompletionRequest(target, [user("Hi")]), a_reply(200, body))
    except errors.LLMError:
        return
    stored = Message.from_wire(completion.message.to_json())
    assert stored.content.strip() or stored.tool_calls
    assert orjson.loads(dialect.encode(CompletionRequest(target, [user("Hi"), stored])).body or b"")


@pytest.mark.parametrize("sort", list(SORTS))
@settings(max_examples=examples(8_000))
@given(st.data())
def test_bodies_of_any_shape(sort: str, data: st.DataObject) -> None:
    dialect, target, bodies = SORTS[sort]
    settle(dialect, target, encoded(data.draw(bodies)))


@pytest.mark.parametrize("sort", list(SORTS))
@settings(max_examples=examples(2_000))
@given(st.one_of(st.binary(max_size=200), JSON.map(encoded)))
def test_bodies_that_are_something_else(sort: str, body: bytes) -> None:
    dialect, target, _ = SORTS[sort]
    settle(dialect, target, body)
