"""The ollama dialect, against Ollama's own SDK where it can judge: what is sent, what is read, and the free check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import ollama
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubechain.api.message import Message
from kubechain.llm import errors
from kubechain.llm.client import Accepted, Completion, ModelFacts, Target, ToolDefinition, Unverified
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.exchange import HttpReply
from kubechain.llm.providers import row_for
from test.examples import examples
from test.llm.builders import CANARY, a_reply, a_target, user
from test.llm.dialects.test_gemini import ADD, assistant, result
from test.llm.dialects.test_malformed_anthropic import JSON, encoded

DIALECT = row_for("ollama").dialect
SERVER = "http://127.0.0.1:11434"
TOOL = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": dict(ADD.parameters)}}
NOT_IN_THE_SDK = ("truncate", "shift")
"""Fields of newer servers."""


def qwen(*, base_url: str | None = SERVER, key: str | None = None, **settings: Any) -> Target:
    return a_target("qwen3:8b", provider="ollama", base_url=base_url, key=key, **settings)


def sent(*messages: Message, tools: tuple[ToolDefinition, ...] = (), target: Target | None = None) -> dict[str, Any]:
    return orjson.loads(DIALECT.encode(CompletionRequest(target or qwen(), messages, tools)).body or b"")


def a_call(name: str = "add", **arguments: int) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


def a_body(content: str = "Hi.", *calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content}
    message |= {"tool_calls": list(calls)} if calls else {}
    message |= {"thinking": more.pop("thinking")} if "thinking" in more else {}
    head = {"model": "qwen3:8b", "created_at": "2026-11-29T10:00:00Z", "message": message}
    counts = {"prompt_eval_count": 10, "eval_count": 5, "total_duration": 1}
    return head | {"done": True, "done_reason": "stop"} | counts | more


def parse(body: object, target: Target | None = None, status: int = 200) -> Completion:
    return DIALECT.decode(CompletionRequest(target or qwen(), [user("Hi")]), a_reply(status, body))


def thought() -> Message:
    return parse(a_body("I add.", a_call(a=1), a_call(a=2), thinking="Hm.")).message


def with_ids(message: Message) -> Message:
    """An answer as it is stored: calls without an id get one."""
    calls = [call.with_changes(id=f"c{place + 1}") for place, call in enumerate(message.tool_calls)]
    return message.with_changes(tool_calls=tuple(calls))


# --- the request


@pytest.mark.parametrize(
    ("base_url", "key", "url"),
    [
        pytest.param(SERVER, None, f"{SERVER}/api/chat", id="a server"),
        pytest.param(f"{SERVER}/v1/", None, f"{SERVER}/api/chat", id="the address that OpenAI's clients have"),
        pytest.param(f"{SERVER}/api", None, f"{SERVER}/api/chat", id="the address of the API"),
        pytest.param("https://gate.test/ollama", CANARY, "https://gate.test/ollama/api/chat", id="behind a gateway"),
        pytest.param(None, CANARY, "https://ollama.com/api/chat", id="Ollama's cloud"),
    ],
)
def test_the_call_goes_to_the_right_address(base_url: str | None, key: str | None, url: str) -> None:
    call = DIALECT.encode(CompletionRequest(qwen(base_url=base_url, key=key), [user("Hi")]))
    assert call.url == url
    assert call.headers.get("authorization") == (f"Bearer {CANARY}" if key else None)


def test_by_the_api_of_openai_a_server_is_told_none_of_these_fields() -> None:
    target = a_target("qwen3:8b", base_url=f"{SERVER}/v1", key=None, parameters={"maxTokens": 64})
    call = row_for("openai").dialect.encode(CompletionRequest(target, [user("Hi")]))
    assert call.url == f"{SERVER}/v1/chat/completions"
    assert orjson.loads(call.body or b"").keys() == {"model", "messages", "max_tokens"}


def test_the_cloud_wants_a_key() -> None:
    with pytest.raises(errors.InvalidTarget, match="API key: required"):
        DIALECT.encode(CompletionRequest(qwen(base_url=None), [user("Hi")]))


SETTINGS: dict[str, Any] = {
    "parameters": {"temperature": "0.5", "maxTokens": 64, "topP": "0.5", "topK": 3, "presencePenalty": "1"},
    "ollama": {"numCtx": 32_768, "randomSeed": 7, "think": "On", "keepAlive": "30m"},
}
OPTIONS = {"num_ctx": 32_768, "num_predict": 64, "temperature": 0.5, "top_p": 0.5, "top_k": 3, "seed": 7}


def sdk_body(**parameters: Any) -> tuple[dict[str, Any], httpx.Request]:
    """What the SDK sends for a call with these parameters."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=a_body())

    client: Any = ollama.Client(host=SERVER, transport=httpx.MockTransport(answer))
    client.chat(model="qwen3:8b", **parameters)
    return orjson.loads(seen[0].content), seen[0]


def as_in_the_sdk(body: dict[str, Any]) -> dict[str, Any]:
    """A request without what the SDK does not know: fields of newer servers, ids of calls."""
    for message in body["messages"]:
        message.pop("tool_call_id", None)
        for call in message.get("tool_calls", ()):
            call.pop("id")
    return {name: value for name, value in body.items() if name not in NOT_IN_THE_SDK}


CONVERSATIONS = [
    pytest.param((user("Hi"),), (), [{"role": "user", "content": "Hi"}], id="a question"),
    pytest.param(
        (Message(role="system", content="Be brief."), user("Hi"), assistant("Hello."), user("Bye")),
        (ADD,),
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Bye"},
        ],
        id="a system prompt, a tool and two questions",
    ),
    pytest.param(
        (user("Add."), with_ids(thought()), result("c1"), result("c2", "no", is_error=True), user("So?")),
        (ADD,),
        [
            {"role": "user", "content": "Add."},
            {
                "role": "assistant",
                "content": "I add.",
                "thinking": "Hm.",
                "tool_calls": [a_call(a=1), a_call(a=2)],
            },
            {"role": "tool", "content": "7", "tool_name": "add"},
            {"role": "tool", "content": "no", "tool_name": "add"},
            {"role": "user", "content": "So?"},
        ],
        id="thinking before parallel calls",
    ),
]


@pytest.mark.parametrize(("messages", "tools", "said"), CONVERSATIONS)
def test_the_sdk_makes_the_same_request(
    messages: Sequence[Message], tools: tuple[ToolDefinition, ...], said: list[Mapping[str, Any]]
) -> None:
    options = OPTIONS | {"presence_penalty": 1.0}
    offered = [TOOL] if tools else None
    theirs, request = sdk_body(messages=said, tools=offered, think=True, keep_alive="30m", options=options)
    mine = as_in_the_sdk(sent(*messages, tools=tools, target=qwen(**SETTINGS)))
    assert mine == {name: value for name, value in theirs.items() if value not in ([], None)}
    assert DIALECT.encode(CompletionRequest(qwen(), messages)).url == str(request.url)


def test_what_does_not_fit_is_never_dropped_in_silence() -> None:
    body = sent(user("Hi"))
    assert (body["truncate"], body["shift"], body["stream"]) == (False, False, False)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"keepAlive": "-1"}, {"keep_alive": -1}),
        ({"keepAlive": "0"}, {"keep_alive": 0}),
        ({"keepAlive": "1.5h"}, {"keep_alive": "1.5h"}),
        ({"think": "Off"}, {"think": False}),
        ({"think": "High"}, {"think": "high"}),
        ({}, {}),
    ],
)
def test_settings_have_the_form_that_the_server_reads(given: dict[str, Any], field: dict[str, Any]) -> None:
    body = sent(user("Hi"), target=qwen(ollama=given))
    assert {name: body[name] for name in ("keep_alive", "think") if name in body} == field


def test_another_models_thinking_stays_where_it_is() -> None:
    other = a_target("llama3.3", provider="ollama", base_url=SERVER, key=None)
    assert sent(user("Add."), thought(), target=other)["messages"][1].keys() == {"role", "content", "tool_calls"}


# --- the answer


@pytest.mark.parametrize(
    "body",
    [
        a_body(),
        a_body("I add.", a_call(a=1), a_call(a=2), thinking="Hm."),
        a_body("", a_call(a=1)),
        a_body("Once", done_reason="length"),
    ],
)
def test_what_the_sdk_reads_is_what_we_read(body: dict[str, Any]) -> None:
    theirs = ollama.ChatResponse.model_validate(body)
    mine = parse(theirs.model_dump(mode="json", exclude_none=True))
    assert mine.message.content == theirs.message.content
    calls = [(call.function.name, orjson.loads(call.function.arguments)) for call in mine.message.tool_calls]
    assert calls == [(one.function.name, one.function.arguments) for one in theirs.message.tool_calls or ()]
    assert (mine.usage.input_tokens, mine.usage.output_tokens) == (theirs.prompt_eval_count, theirs.eval_count)
    assert (mine.cut is not None) == (theirs.done_reason == "length")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        pytest.param(404, {"error": "model 'qwen3:8b' not found"}, errors.ModelNotFound, id="no such model"),
        pytest.param(400, {"error": '"qwen3:8b" does not support tools'}, errors.RequestRefused, id="no tools"),
        pytest.param(
            400, {"error": "the input length exceeds the context length"}, errors.ContextTooLong, id="too long"
        ),
        pytest.param(503, {"error": "server busy, please try again"}, errors.ServerFailed, id="a full queue"),
        pytest.param(500, {"error": "model runner has unexpectedly stopped"}, errors.ServerFailed, id="a crash"),
        pytest.param(401, {"error": "unauthorized"}, errors.AuthenticationFailed, id="a key that is none"),
        pytest.param(200, {"error": "an error was encountered"}, errors.ServerFailed, id="an error with 200"),
        pytest.param(200, {"message": None}, errors.InvalidAnswer, id="no message"),
        pytest.param(200, a_body(""), errors.InvalidAnswer, id="an empty answer"),
        pytest.param(200, a_body("", thinking="Hm."), errors.InvalidAnswer, id="only thinking"),
        pytest.param(200, a_body("", {"function": {"name": ""}}), errors.InvalidAnswer, id="a call without a name"),
    ],
)
def test_a_failure_has_its_consequence(status: int, body: object, kind: type[errors.LLMError]) -> None:
    with pytest.raises(errors.LLMError) as caught:
        parse(body, status=status)
    assert type(caught.value) is kind


FIELDS = st.dictionaries(st.sampled_from(["role", "content", "thinking", "tool_calls", "images"]), JSON)
CALLS = st.lists(JSON | st.dictionaries(st.sampled_from(["id", "function"]), JSON) | st.just(a_call(a=1)), max_size=3)
BODIES = st.fixed_dictionaries(
    {"message": JSON | FIELDS | CALLS.map(lambda calls: {"role": "assistant", "content": "", "tool_calls": calls})},
    optional={"done": JSON, "done_reason": JSON, "prompt_eval_count": JSON, "eval_count": JSON, "error": JSON},
)


@settings(max_examples=examples(10_000))
@given(st.one_of(BODIES.map(encoded), JSON.map(encoded), st.binary(max_size=200)))
def test_answers_of_any_shape_make_a_completion_or_a_failure(body: bytes) -> None:
    try:
        completion = parse(body)
    except errors.LLMError:
        return
    stored = Message.from_wire(completion.message.to_json())
    assert stored.content.strip() or stored.tool_calls
    assert sent(user("Hi"), stored)


# --- the free check

SHOWN = {
    "details": {"family": "qwen3"},
    "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40_960},
    "capabilities": ["completion", "tools"],
}
LISTED = {"models": [{"name": "qwen3:8b", "model": "qwen3:8b"}]}


def check(target: Target, *replies: HttpReply) -> Accepted | Unverified:
    """The verdict of the free check, to whose requests these replies come."""
    probe = DIALECT.probe(target)
    next(probe)
    for reply in replies[:-1]:
        probe.send(reply)
    with pytest.raises(StopIteration) as end:
        probe.send(replies[-1])
    return end.value.value


@pytest.mark.parametrize(
    ("settings", "shown", "window"),
    [
        pytest.param({}, SHOWN, 4_096, id="nobody says anything"),
        pytest.param({"ollama": {"numCtx": 16_384}}, SHOWN, 16_384, id="the LLM"),
        pytest.param({"ollama": {"numCtx": 99_999}}, SHOWN, 40_960, id="the LLM, more than the model can"),
        pytest.param({}, SHOWN | {"parameters": "stop x\nnum_ctx   8192"}, 8_192, id="the model's parameters"),
        pytest.param({}, SHOWN | {"remote_host": "https://ollama.com"}, 40_960, id="a model of the cloud"),
    ],
)
def test_the_window_is_the_one_that_the_model_really_has(
    settings: dict[str, Any], shown: dict[str, Any], window: int
) -> None:
    assert check(qwen(**settings), a_reply(200, shown)) == Accepted(ModelFacts(context_window=window))


def test_a_key_is_proved_only_where_a_wrong_one_is_refused() -> None:
    keyed = qwen(key=CANARY)
    assert isinstance(check(keyed, a_reply(200, SHOWN), a_reply(401, {"error": "unauthorized"})), Accepted)
    verdict = check(keyed, a_reply(200, SHOWN), a_reply(200, SHOWN))
    assert isinstance(verdict, Unverified)
    assert "POST http://127.0.0.1:11434/api/show accepts any key" in verdict.detail


def test_a_model_is_found_in_the_list_where_nothing_else_is_let_through() -> None:
    assert check(qwen(), a_reply(404, b"404 page not found"), a_reply(200, LISTED)) == Accepted()


@pytest.mark.parametrize(
    ("replies", "kind", "words"),
    [
        pytest.param(
            [a_reply(404, {"error": "model 'qwen3:8b' not found"})], errors.ModelNotFound, "ollama pull", id="not there"
        ),
        pytest.param(
            [a_reply(404, b"404 page not found"), a_reply(200, {"models": []})],
            errors.ModelNotFound, "does not list it", id="not in the list",
        ),
        pytest.param(
            [a_reply(404, b"404 page not found"), a_reply(404, b"404 page not found")],
            errors.WrongAddress, "check baseUrl", id="another server",
        ),
        pytest.param([a_reply(401, {"error": "unauthorized"})], errors.AuthenticationFailed, "unauthor", id="a key"),
        pytest.param([a_reply(502, b"bad gateway")], errors.ServerFailed, "502", id="a gateway"),
    ],
)  # fmt: skip
def test_a_check_that_fails_says_why(replies: list[HttpReply], kind: type[errors.LLMError], words: str) -> None:
    with pytest.raises(kind, match=words):
        check(qwen(), *replies)


# --- streams


def test_the_sdk_puts_the_same_stream_together() -> None:
    pieces = [a_body(text, done=False, done_reason=None) for text in ("I ", "add.")]
    called = a_body("", a_call(a=1), done=False, done_reason=None)
    stream = b"".join(orjson.dumps(one) + b"\n" for one in (*pieces, called, a_body("")))
    client: Any = ollama.Client(
        host=SERVER, transport=httpx.MockTransport(lambda _: httpx.Response(200, content=stream))
    )
    theirs = list(client.chat(model="qwen3:8b", messages=[], stream=True))
    reader = DIALECT.reader(200, {"content-type": "application/x-ndjson"})
    reader.feed(stream)
    mine = parse(reader.body())
    assert mine.message.content == "".join(chunk.message.content or "" for chunk in theirs)
    calls = [call for chunk in theirs for call in chunk.message.tool_calls or ()]
    assert [one.function.name for one in mine.message.tool_calls] == [one.function.name for one in calls]
    assert mine.usage.output_tokens == theirs[-1].eval_count


def test_an_error_in_the_stream_ends_it() -> None:
    reader = DIALECT.reader(200, {"content-type": "application/x-ndjson"})
    reader.feed(orjson.dumps(a_body("I ", done=False)) + b'\n{"error":"an error was encountered"}\n')
    with pytest.raises(errors.ServerFailed, match="an error was encountered"):
        parse(reader.body())
