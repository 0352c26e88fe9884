"""A stream says exactly what the same answer says as a whole reply, in every dialect and wherever it is cut.

The streams are those of the providers: their own SDKs put them together to the same answer (Anthropic's does so in
`test_anthropic_sdk`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
import orjson
import pytest
from google import genai
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from kubechain.llm import errors
from kubechain.llm.client import Completion, Target
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.exchange import HttpReply
from kubechain.llm.providers import row_for
from test.examples import examples
from test.llm.builders import CANARY, a_completion_body, a_reply, a_target, user
from test.llm.dialects import test_anthropic_messages as of_anthropic
from test.llm.dialects import test_gemini as of_gemini
from test.llm.dialects import test_ollama as of_ollama
from test.llm.dialects import test_openai_responses as of_responses
from test.llm.dialects import test_streams as of_streams
from test.llm.dialects.test_malformed_anthropic import JSON, encoded

Event = dict[str, Any]
EVENT_STREAM = {"content-type": "text/event-stream"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says, before it is written in a dialect.

    Attributes:
        thought: Its reasoning; empty for none.
        calls: Arguments of its calls, each a JSON object as text.
        width: Characters of each piece of a text in the stream.
    """

    thought: str
    text: str
    calls: tuple[str, ...]
    width: int = 3

    def cut(self, text: str) -> list[str]:
        return [text[start : start + self.width] for start in range(0, len(text), self.width)]


def named(index: int, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{index}", "name": "add", "arguments": arguments}


# --- openai-chat


def chat_body(answer: Answer) -> dict[str, Any]:
    calls = [
        {"id": one["id"], "type": "function", "function": {"name": one["name"], "arguments": one["arguments"]}}
        for one in (named(index, written) for index, written in enumerate(answer.calls))
    ]
    spoken = {"role": "assistant", "content": answer.text}
    spoken |= {"reasoning_content": answer.thought} if answer.thought else {}
    spoken |= {"tool_calls": calls} if calls else {}
    reason = "tool_calls" if calls else "stop"
    return a_completion_body(spoken, reason, usage=of_streams.USAGE)


def chat_events(answer: Answer) -> Iterator[Event]:
    def chunk(delta: dict[str, Any], reason: str | None = None) -> Event:
        return of_streams.chunk(delta, reason) | {"model": "gpt-4o-2024"}

    yield chunk({"role": "assistant", "content": ""})
    yield from (chunk({"reasoning_content": piece}) for piece in answer.cut(answer.thought))
    yield from (chunk({"content": piece}) for piece in answer.cut(answer.text))
    for index, written in enumerate(answer.calls):
        one = named(index, written)
        function = {"name": one["name"], "arguments": ""}
        yield chunk(of_streams.call_delta(index, id=one["id"], type="function", function=function))
        for piece in answer.cut(written):
            yield chunk(of_streams.call_delta(index, function={"arguments": piece}))
    yield chunk({}, "tool_calls" if answer.calls else "stop")
    yield of_streams.COUNTED | {"model": "gpt-4o-2024"}


def chat_stream(answer: Answer) -> bytes:
    return of_streams.chat_stream(*chat_events(answer))


# --- anthropic-messages


def messages_body(answer: Answer) -> dict[str, Any]:
    thinking = {"type": "thinking", "thinking": answer.thought, "signature": "c2ln"}
    calls = [
        {"type": "tool_use", "id": one["id"], "name": one["name"], "input": orjson.loads(written)}
        for index, written in enumerate(answer.calls)
        if (one := named(index, written))
    ]
    blocks = [*([thinking] if answer.thought else []), of_anthropic.text(answer.text), *calls]
    return of_anthropic.a_message_body(*blocks, stop_reason="tool_use" if calls else "end_turn")


def messages_stream(answer: Answer) -> bytes:
    whole = messages_body(answer)
    start: Event = {"type": "message_start", "message": whole | {"content": [], "stop_reason": None}}
    events: list[Event] = [start, of_streams.PING]
    for index, one in enumerate(whole["content"]):
        events += of_streams.block(index, *_opened_and_deltas(answer, one))
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    end = {"type": "message_delta", "delta": delta, "usage": whole["usage"]}
    return of_streams.messages_stream(*events, end, of_streams.STOP)


def _opened_and_deltas(answer: Answer, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match block["type"]:
        case "thinking":
            yield block | {"thinking": "", "signature": ""}
            yield from ({"type": "thinking_delta", "thinking": one} for one in answer.cut(block["thinking"]))
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "text":
            yield block | {"text": ""}
            yield from ({"type": "text_delta", "text": one} for one in answer.cut(block["text"]))
        case _:
            yield block | {"input": {}}
            written = orjson.dumps(block["input"]).decode()
            yield from ({"type": "input_json_delta", "partial_json": one} for one in answer.cut(written))


# --- gemini


def gemini_parts(answer: Answer, cut: Callable[[str], Sequence[str]] = lambda text: [text]) -> list[dict[str, Any]]:
    thoughts = [{"text": piece, "thought": True} for piece in cut(answer.thought) if piece]
    texts = [{"text": piece} for piece in cut(answer.text)]
    calls = [
        {"functionCall": {"id": f"call_{index}", "name": "add", "args": orjson.loads(written)}}
        | (of_gemini.SIGNATURE if index == 0 else {})
        for index, written in enumerate(answer.calls)
    ]
    return [*thoughts, *texts, *calls]


def gemini_body(answer: Answer) -> dict[str, Any]:
    return of_gemini.a_body(*gemini_parts(answer))


def gemini_stream(answer: Answer) -> bytes:
    whole = gemini_body(answer)
    pieces = [of_gemini.a_body(part) for part in gemini_parts(answer, answer.cut)]
    for piece in pieces:
        del piece["candidates"][0]["finishReason"]
        piece["usageMetadata"] = {"promptTokenCount": 1, "totalTokenCount": 1}
    last = whole | {"candidates": [{"finishReason": "STOP", "index": 0}]}
    return b"".join(b"data: %s\r\n\r\n" % orjson.dumps(one) for one in (*pieces, last))


# --- openai-responses


def responses_body(answer: Answer) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": answer.thought}]
    thought = [of_responses.REASONING | {"summary": summary}] if answer.thought else []
    calls = [
        of_responses.a_call(f"call_{index}") | {"arguments": written} for index, written in enumerate(answer.calls)
    ]
    return of_responses.a_body(*thought, of_responses.a_message(of_responses.a_text(answer.text)), *calls)


def responses_events(answer: Answer) -> Iterator[Event]:
    whole = responses_body(answer)
    begun: Event = whole | {"status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(whole["output"]):
        at = {"output_index": index, "item_id": item["id"]}
        yield {"type": "response.output_item.added", "output_index": index, "item": _opened(item)}
        yield from ({**event, **at} for event in _pieces(answer, item))
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": "response.completed", "response": whole}


def _opened(item: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, Event] = {
        "message": {"content": []},
        "function_call": {"arguments": ""},
        "reasoning": {"summary": []},
    }
    return item | empty[item["type"]]


def _pieces(answer: Answer, item: dict[str, Any]) -> Iterator[Event]:
    if item["type"] == "message":
        at = {"content_index": 0}
        yield {"type": "response.content_part.added", "part": of_responses.a_text(""), **at}
        for piece in answer.cut(answer.text):
            yield {"type": "response.output_text.delta", "delta": piece, "logprobs": [], **at}
        yield {"type": "response.output_text.done", "text": answer.text, "logprobs": [], **at}
        yield {"type": "response.content_part.done", "part": of_responses.a_text(answer.text), **at}
    if item["type"] == "function_call":
        for piece in answer.cut(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", "delta": piece}
        yield {"type": "response.function_call_arguments.done", "arguments": item["arguments"], "name": "add"}


def responses_stream(answer: Answer) -> bytes:
    numbered = (event | {"sequence_number": number} for number, event in enumerate(responses_events(answer)))
    return of_streams.messages_stream(*numbered)


# --- ollama


def ollama_calls(answer: Answer) -> list[dict[str, Any]]:
    return [{"function": {"name": "add", "arguments": orjson.loads(written)}} for written in answer.calls]


def ollama_body(answer: Answer) -> dict[str, Any]:
    more = {"thinking": answer.thought} if answer.thought else {}
    return of_ollama.a_body(answer.text, *ollama_calls(answer), **more)


def ollama_stream(answer: Answer) -> bytes:
    unfinished = {"done": False, "done_reason": None, "prompt_eval_count": None, "eval_count": None}
    thoughts = [of_ollama.a_body("", thinking=piece, **unfinished) for piece in answer.cut(answer.thought)]
    texts = [of_ollama.a_body(piece, **unfinished) for piece in answer.cut(answer.text)]
    calls = [of_ollama.a_body("", call, **unfinished) for call in ollama_calls(answer)]
    return b"".join(orjson.dumps(one) + b"\n" for one in (*thoughts, *texts, *calls, of_ollama.a_body("")))


# --- all


@dataclass(frozen=True, slots=True)
class Sort:
    target: Target
    body: Callable[[Answer], dict[str, Any]]
    stream: Callable[[Answer], bytes]
    content_type: str = "text/event-stream"

    def read(self, chunks: Sequence[bytes]) -> Completion:
        dialect = row_for(self.target.provider).dialect_named(self.target.dialect)
        reader = dialect.reader(200, {"content-type": self.content_type})
        for chunk in chunks:
            reader.feed(chunk)
        return self._decode(a_reply(200, reader.body()))

    def read_whole(self, answer: Answer) -> Completion:
        return self._decode(a_reply(200, self.body(answer)))

    def _decode(self, reply: HttpReply) -> Completion:
        dialect = row_for(self.target.provider).dialect_named(self.target.dialect)
        return dialect.decode(CompletionRequest(self.target, [user("Hi")]), reply)


SORTS = {
    "chat": Sort(a_target(base_url="http://127.0.0.1:1/v1"), chat_body, chat_stream),
    "messages": Sort(of_anthropic.claude(), messages_body, messages_stream),
    "gemini": Sort(of_gemini.gemini(), gemini_body, gemini_stream),
    "responses": Sort(of_responses.gpt(), responses_body, responses_stream),
    "ollama": Sort(of_ollama.qwen(), ollama_body, ollama_stream, "application/x-ndjson"),
}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["data: x\n\n", "\r\n", "{", "ä\u2028"])
JSON_OBJECTS = st.dictionaries(st.text(max_size=4), st.integers(-9, 9) | TEXTS, max_size=3)
ANSWERS = st.builds(
    Answer,
    thought=TEXTS,
    text=TEXTS.map(lambda text: f"I say {text}"),
    calls=st.lists(JSON_OBJECTS.map(lambda value: orjson.dumps(value).decode()), max_size=3).map(tuple),
    width=st.integers(1, 5),
)


@pytest.mark.parametrize("name", list(SORTS))
@settings(max_examples=examples(500))
@given(answer=ANSWERS, data=st.data())
def test_a_stream_says_what_the_whole_reply_says(name: str, answer: Answer, data: st.DataObject) -> None:
    sort = SORTS[name]
    stream = sort.stream(answer)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=20)))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert sort.read(chunks) == sort.read_whole(answer)


@pytest.mark.parametrize("name", list(SORTS))
@settings(max_examples=examples(500))
@given(answer=ANSWERS, data=st.data())
def test_a_stream_that_breaks_off_is_lost_or_was_whole(name: str, answer: Answer, data: st.DataObject) -> None:
    sort = SORTS[name]
    stream = sort.stream(answer)
    broken = stream[: data.draw(st.integers(0, len(stream)))]
    try:
        message = sort.read([broken]).message
    except errors.Retryable as error:
        message, usage = None, error.usage
    else:
        usage = None
    assert message == sort.read_whole(answer).message if message else usage and usage.model_calls == 1


@pytest.mark.parametrize("name", list(SORTS))
@settings(max_examples=examples(2_000))
@given(answer=ANSWERS, data=st.data())
def test_events_of_any_shape_make_an_answer_or_a_failure(name: str, answer: Answer, data: st.DataObject) -> None:
    sort = SORTS[name]
    events = sort.stream(answer).splitlines(keepends=True)
    mark = b"data: " if sort.content_type == "text/event-stream" else b""
    place = data.draw(st.sampled_from([at for at, line in enumerate(events) if line.startswith(mark + b"{")]))
    event = orjson.loads(events[place].removeprefix(mark))
    changed = {field: data.draw(JSON) for field in data.draw(st.sets(st.sampled_from(list(event)), min_size=1))}
    events[place] = b"%s%s\n" % (mark, encoded(event | changed))
    try:
        assert sort.read(events).message
    except errors.LLMError:
        return


ADD = Answer(thought="Hm, what?", text="I add them.", calls=('{"a":1}', '{"a":2}'))
SAID = [ADD, Answer(thought="", text="Just text.", calls=()), Answer(thought="Hm.", text="Said.", calls=('{"a":1}',))]


def answering(stream: bytes, sent: list[httpx2.Request]) -> httpx2.Client:
    """A client of HTTP whose server answers with this stream."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, headers=EVENT_STREAM, content=stream)

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def calls_of(completion: Completion) -> list[tuple[str, str, object]]:
    return [
        (call.id, call.function.name, orjson.loads(call.function.arguments)) for call in completion.message.tool_calls
    ]


@pytest.mark.parametrize("answer", SAID)
def test_googles_sdk_asks_for_the_same_stream_and_reads_the_same(answer: Answer) -> None:
    stream, sent = gemini_stream(answer), list[httpx2.Request]()
    options = types.HttpOptions(api_version="v1beta", httpx_client=answering(stream, sent))
    with genai.Client(api_key=CANARY, vertexai=False, http_options=options) as client:
        models: Any = client.models
        chunks = list(models.generate_content_stream(model="gemini-3-pro", contents="Hi"))
    mine = SORTS["gemini"].read([stream])
    assert mine.message.content == "".join(chunk.text or "" for chunk in chunks)
    calls = [call for chunk in chunks for call in chunk.function_calls or ()]
    assert calls_of(mine) == [(call.id, call.name, call.args) for call in calls]
    assert mine.usage.input_tokens == chunks[-1].usage_metadata.prompt_token_count
    call = row_for("google").dialect.encode(
        CompletionRequest(of_gemini.gemini(parameters={"stream": "Always"}), [user("Hi")])
    )
    assert (call.method, call.url) == (sent[0].method, str(sent[0].url))
    assert orjson.loads(call.body or b"") == orjson.loads(sent[0].content)


@pytest.mark.parametrize("answer", SAID)
def test_openais_sdk_asks_for_the_same_stream_of_a_response_and_reads_the_same(answer: Answer) -> None:
    stream, sent = responses_stream(answer), list[httpx2.Request]()
    http = answering(stream, sent)
    with openai.OpenAI(api_key=CANARY, http_client=http, max_retries=0, base_url="https://api.openai.com/v1") as client:
        hi: Any = of_responses.an_input("user", "Hi")
        with client.responses.stream(model="gpt-5", input=[hi], **of_responses.ALWAYS) as events:
            theirs = events.get_final_response()
    mine = SORTS["responses"].read([stream])
    assert mine.message.content == theirs.output_text
    calls = [one for one in theirs.output if one.type == "function_call"]
    assert calls_of(mine) == [(one.call_id, one.name, orjson.loads(one.arguments)) for one in calls]
    assert theirs.usage is not None
    assert mine.usage.total_tokens == theirs.usage.total_tokens
    always = of_responses.gpt(parameters={"stream": "Always"})
    assert of_responses.sent(user("Hi"), target=always) == orjson.loads(sent[0].content)


@pytest.mark.parametrize("answer", SAID)
def test_openais_sdk_reads_the_same_of_a_chat_stream(answer: Answer) -> None:
    stream, sent = chat_stream(answer), list[httpx2.Request]()
    with (
        openai.OpenAI(api_key=CANARY, http_client=answering(stream, sent), max_retries=0) as client,
        client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "Hi"}]) as events,
    ):
        theirs = events.get_final_completion()
    mine, message = SORTS["chat"].read([stream]), theirs.choices[0].message
    assert mine.message.content == message.content
    calls: list[Any] = list(message.tool_calls or ())
    assert calls_of(mine) == [(one.id, one.function.name, orjson.loads(one.function.arguments)) for one in calls]
