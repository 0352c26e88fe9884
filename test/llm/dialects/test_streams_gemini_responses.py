"""What is particular to the streams of Gemini and of OpenAI's Responses."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from kubechain.llm import errors
from kubechain.llm.client import Completion, Target
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.providers import row_for
from test.llm.builders import a_reply, a_target, user
from test.llm.dialects.test_gemini import SIGNATURE, a_body, a_call, gemini
from test.llm.dialects.test_openai_responses import REASONING, a_message, a_text, gpt
from test.llm.dialects.test_openai_responses import a_body as a_response
from test.llm.dialects.test_streams import messages_stream


def read(target: Target, stream: bytes) -> Completion:
    dialect = row_for(target.provider).dialect_named(target.dialect)
    reader = dialect.reader(200, {"content-type": "text/event-stream"})
    reader.feed(stream)
    return dialect.decode(CompletionRequest(target, [user("Hi")]), a_reply(200, reader.body()))


def chunks(*bodies: dict[str, Any], end: bytes = b"") -> bytes:
    return b"".join(b"data: %s\r\n\r\n" % orjson.dumps(one) for one in bodies) + end


def a_piece(*parts: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    counts = {"promptTokenCount": 10, "candidatesTokenCount": 2, "totalTokenCount": 12}
    return {"candidates": [candidate | ({"finishReason": reason} if reason else {})], "usageMetadata": counts}


# --- gemini


def test_a_part_with_a_signature_is_joined_with_no_other() -> None:
    end = {"text": "", **SIGNATURE}
    stream = chunks(a_piece({"text": "Ha"}), a_piece({"text": "llo"}), a_piece(end, reason="STOP"))
    message = read(gemini(), stream).message
    assert message.content == "Hallo"
    assert message.provider_data is not None
    assert message.provider_data.parts == ({"text": 5}, {"text": 0, "fields": SIGNATURE})


def test_thoughts_and_texts_are_joined_apart() -> None:
    pieces = [{"text": "H", "thought": True}, {"text": "m.", "thought": True}, {"text": "I "}, {"text": "add."}]
    stream = chunks(*(a_piece(one) for one in pieces), a_piece(a_call("c1", **SIGNATURE), reason="STOP"))
    completion = read(gemini(), stream)
    assert completion.message.content == "I add."
    assert completion.message.provider_data is not None
    assert completion.message.provider_data.parts[0] == {"part": {"text": "Hm.", "thought": True}}
    assert [call.id for call in completion.message.tool_calls] == ["c1"]


BARE = {"error": {"code": 429, "message": "Busy.", "status": "RESOURCE_EXHAUSTED"}}


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        pytest.param(
            chunks({"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}}),
            errors.ServerFailed,
            id="as an event",
        ),
        pytest.param(orjson.dumps(BARE, option=orjson.OPT_INDENT_2), errors.RateLimited, id="without data:"),
    ],
)
def test_a_failure_in_the_middle_is_the_one_that_it_names(end: bytes, kind: type[errors.LLMError]) -> None:
    with pytest.raises(kind, match=r"Busy\.") as caught:
        read(gemini(), chunks(a_piece({"text": "Ha"}), end=end))
    assert caught.value.usage is not None
    assert caught.value.usage.input_tokens == 10


def test_a_prompt_that_is_blocked_has_no_candidate_in_its_stream() -> None:
    with pytest.raises(errors.RequestRefused, match="SAFETY"):
        read(gemini(), chunks({"promptFeedback": {"blockReason": "SAFETY"}}))


def test_an_answer_that_a_filter_stops_is_refused_with_its_usage() -> None:
    with pytest.raises(errors.RequestRefused, match="SAFETY") as caught:
        read(gemini(), chunks(a_piece({"text": "Ha"}), a_piece(reason="SAFETY")))
    assert caught.value.usage is not None
    assert caught.value.usage.total_tokens == 12


def test_only_the_first_of_several_candidates_is_read() -> None:
    other = a_body({"text": "other"})["candidates"][0] | {"index": 1}
    both = a_piece({"text": "Hi."}, reason="STOP")
    both["candidates"].insert(0, other)
    assert read(gemini(), chunks(both)).message.content == "Hi."


def test_a_stream_of_gemini_on_vertex_has_the_path_of_its_project() -> None:
    vertex = {"cloudProject": "moonville", "cloudLocation": "eu"}
    target = a_target("gemini-3-pro", provider="vertex", vertex=vertex, parameters={"stream": "Always"})
    call = row_for("vertex").dialect.encode(CompletionRequest(target, [user("Hi")]))
    assert call.url == (
        "https://aiplatform.eu.rep.googleapis.com/v1/projects/moonville/locations/eu"
        "/publishers/google/models/gemini-3-pro:streamGenerateContent?alt=sse"
    )


# --- openai-responses

WHOLE = a_response(REASONING, a_message(a_text("Hi.")))


def test_items_are_put_in_where_the_last_event_leaves_them_out() -> None:
    items: list[dict[str, Any]] = WHOLE["output"]
    done = [{"type": "response.output_item.done", "output_index": at, "item": items[at]} for at in (1, 0)]
    completed = {"type": "response.completed", "response": WHOLE | {"output": None}}
    message = read(gpt(), messages_stream(*done, completed)).message
    assert message.content == "Hi."
    assert message.provider_data is not None
    assert message.provider_data.parts[0] == {"part": REASONING}


def test_an_answer_at_the_limit_is_cut() -> None:
    cut = a_response(a_message(a_text("Once")), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert read(gpt(), messages_stream({"type": "response.incomplete", "response": cut})).cut is not None


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        pytest.param(
            {"type": "error", "code": "rate_limit_exceeded", "message": "Busy.", "param": None, "sequence_number": 3},
            errors.RateLimited, id="an event of its own",
        ),
        pytest.param({"type": "error", "error": {"code": "server_error", "message": "Busy."}}, errors.ServerFailed,
                     id="an event with an object"),
        pytest.param({"type": "keepalive", "error": {"code": "server_error", "message": "Busy."}}, errors.ServerFailed,
                     id="of a gateway"),
        pytest.param(
            {"type": "response.failed", "response": a_response(
                status="failed", error={"code": "server_error", "message": "Busy."})},
            errors.ServerFailed, id="a response that failed",
        ),
    ],
)  # fmt: skip
def test_a_failure_of_a_response_is_the_one_that_it_names(event: dict[str, Any], kind: type[errors.LLMError]) -> None:
    with pytest.raises(kind, match=r"Busy\."):
        read(gpt(), messages_stream(event))
