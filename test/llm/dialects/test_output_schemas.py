"""The schema of an answer in every dialect, as the providers' own SDKs send it; in words where there is no field."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import openai
import orjson
import pytest
from google.genai import types

from kubechain.llm import errors
from kubechain.llm.client import Target, ToolDefinition
from kubechain.llm.dialects.anthropic_messages.schemas import closed
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.dialects.output_schemas import WORDS
from kubechain.llm.provider_client import ProviderClient
from kubechain.llm.providers import row_for
from test.llm.builders import CANARY, a_completion_body, a_target, user
from test.llm.conftest import Served
from test.llm.dialects.test_anthropic_messages import SYSTEM, claude
from test.llm.dialects.test_anthropic_sdk import sdk_request as anthropic_request
from test.llm.dialects.test_gemini import gemini
from test.llm.dialects.test_google_sdk import a_text, content, in_camel_case
from test.llm.dialects.test_google_sdk import sdk_request as google_request

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
LOOSE: dict[str, Any] = {"type": "object", "properties": {"city": {"$ref": "#/$defs/name"}}, "$defs": {"name": {}}}
FREE = {"type": "object", "properties": {"counts": {"type": "object", "additionalProperties": {"type": "integer"}}}}
ADD = ToolDefinition("add", "Adds.", {"type": "object", "properties": {"a": {"type": "number"}}})
MISTRAL = {"provider": "mistral"}
OLLAMA: dict[str, Any] = {"provider": "ollama", "base_url": "http://127.0.0.1:11434"}


def body(target: Target, schema: dict[str, Any] = SCHEMA, *tools: ToolDefinition, **request: Any) -> dict[str, Any]:
    dialect = row_for(target.provider).dialect_named(target.dialect)
    call = dialect.encode(CompletionRequest(target, (SYSTEM, user("Hi")), tools, output_schema=schema, **request))
    return orjson.loads(call.body or b"")


def told(schema: dict[str, Any] = SCHEMA) -> str:
    return f"{SYSTEM.content}\n\n{WORDS.format(orjson.dumps(schema).decode())}"


def openai_request(call: str, **parameters: Any) -> dict[str, Any]:
    """What OpenAI's SDK sends for a call of one of its APIs."""
    sent: list[dict[str, Any]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(orjson.loads(request.content))
        return httpx2.Response(200, json=a_completion_body())

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with openai.OpenAI(api_key=CANARY, http_client=http, max_retries=0) as client:
        api = client.chat.completions if call == "chat" else client.responses
        api.create(model="gpt-4o", **parameters)
    return sent[0]


@pytest.mark.parametrize(
    ("schema", "is_strict"), [pytest.param(SCHEMA, True, id="closed"), pytest.param(FREE, False, id="open")]
)
def test_openais_sdk_sends_the_same_format(schema: dict[str, Any], *, is_strict: bool) -> None:
    form = {"name": "answer", "schema": schema, "strict": is_strict}
    chat = openai_request("chat", messages=[], response_format={"type": "json_schema", "json_schema": form})
    assert body(a_target(), schema)["response_format"] == chat["response_format"]
    responses = openai_request("responses", input=[], text={"format": {"type": "json_schema", **form}})
    assert body(a_target(openai={"api": "Responses"}), schema)["text"] == responses["text"]


def test_anthropics_sdk_sends_the_same_format() -> None:
    form: dict[str, Any] = {"format": {"type": "json_schema", "schema": SCHEMA}}
    parameters: dict[str, Any] = {"max_tokens": 9, "messages": [], "output_config": form}
    theirs = orjson.loads(anthropic_request(**parameters).content)
    assert body(claude())["output_config"] == theirs["output_config"]


def test_googles_sdk_sends_the_same_format() -> None:
    config = {"response_mime_type": "application/json", "response_json_schema": SCHEMA}
    theirs = orjson.loads(google_request([types.Content(role="user", parts=[a_text("Hi")])], **config).content)
    assert body(gemini())["generationConfig"] == in_camel_case(theirs)["generationConfig"]
    assert content("user", a_text("Hi")).role == "user"


def test_mistral_takes_openais_format() -> None:
    sent = body(a_target("mistral-large", **MISTRAL))
    assert sent["response_format"]["json_schema"] == {"name": "answer", "schema": SCHEMA, "strict": True}
    assert sent["messages"][0]["content"] == SYSTEM.content


def test_a_compatible_server_is_told_in_words_besides() -> None:
    sent = body(a_target(base_url="http://127.0.0.1:1/v1"))
    assert sent["response_format"]["json_schema"]["schema"] == SCHEMA
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent["messages"][0]["content"] == told()


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(a_target(), id="openai-chat"),
        pytest.param(a_target(openai={"api": "Responses"}), id="openai-responses"),
        pytest.param(claude(), id="anthropic-messages"),
        pytest.param(gemini(), id="gemini"),
        pytest.param(a_target("mistral-large", **MISTRAL), id="mistral"),
        pytest.param(a_target("llama3.2", key=None, **OLLAMA), id="ollama"),
    ],
)
def test_where_the_field_is_refused_the_schema_is_told_in_words(target: Target) -> None:
    sent = body(target, SCHEMA, ADD, is_schema_refused=True)
    text = orjson.dumps(sent).decode()
    assert orjson.dumps(told()).decode()[1:-1] in text
    assert not sent.keys() & {"response_format", "text", "output_config", "format"}
    assert "responseJsonSchema" not in text
    assert sent["tools"]


def test_ollama_is_told_in_words_and_held_to_the_schema_where_there_are_no_tools() -> None:
    target = a_target("llama3.2", key=None, **OLLAMA)
    without, beside = body(target), body(target, SCHEMA, ADD)
    assert without["format"] == SCHEMA
    assert "format" not in beside
    assert [sent["messages"][0]["content"] for sent in (without, beside)] == [told(), told()]


def test_references_are_put_in_place() -> None:
    sent = body(a_target(), LOOSE)["response_format"]["json_schema"]["schema"]
    assert sent == {"type": "object", "properties": {"city": {}}}


@pytest.mark.parametrize(("model", "has_field"), [("gemini-3-pro", True), ("gemini-2.5-flash", False)])
def test_an_older_gemini_is_told_in_words_beside_tools(model: str, *, has_field: bool) -> None:
    sent = body(gemini(model), SCHEMA, ADD)
    assert ("responseJsonSchema" in sent.get("generationConfig", {})) == has_field
    assert (sent["systemInstruction"]["parts"][0]["text"] == told()) != has_field


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(SCHEMA, id="closed already"),
        pytest.param({"type": "object", "properties": {"a": {"type": "string", "format": "date"}}}, id="open"),
        pytest.param(
            {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}, "minItems": 1}}},
            id="an array",
        ),
        pytest.param({"type": "object", "properties": {"a": {"enum": ["x", None]}}, "required": ["a"]}, id="an enum"),
        pytest.param(
            {"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}}, id="an enum and its type"
        ),
        pytest.param({"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}, SCHEMA]}}}, id="alternatives"),
    ],
)
def test_anthropics_sdk_closes_a_schema_in_the_same_way(schema: dict[str, Any]) -> None:
    assert closed(schema) == anthropic.transform_schema(schema)


def test_what_anthropics_grammar_does_not_know_stands_in_the_description() -> None:
    found = closed({"type": "object", "properties": {"a": {"type": "integer", "description": "A", "maximum": 9}}})
    assert found is not None
    assert found["properties"]["a"] == {"type": "integer", "description": 'A\n\n{"maximum":9}'}


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(FREE, id="a map of any names"),
        pytest.param({"type": "object"}, id="any object"),
        pytest.param({"type": "object", "properties": {"a": {}}}, id="a field of any type"),
        pytest.param({"type": "object", "properties": {"a": {"type": "array", "items": {}}}}, id="items of any type"),
    ],
)
def test_what_anthropics_grammar_would_forbid_is_told_in_words(schema: dict[str, Any]) -> None:
    sent = body(claude(), schema)
    assert "output_config" not in sent
    assert sent["system"][0]["text"] == told(schema)


async def test_a_server_that_refuses_the_field_is_asked_once_more_and_remembered(
    client: ProviderClient, provider: Served
) -> None:
    target = a_target("untyped", base_url=provider.base_url)
    for _ in range(2):
        await client.complete(target, [user("Hi")], timeout_seconds=5, output_schema=SCHEMA)
    assert ["response_format" in sent for sent in provider.mock.bodies] == [True, False, False]


async def test_a_request_that_is_refused_for_another_reason_is_refused(
    client: ProviderClient, provider: Served
) -> None:
    target = a_target("status-400", base_url=provider.base_url)
    for _ in range(2):
        with pytest.raises(errors.RequestRefused):
            await client.complete(target, [user("Hi")], timeout_seconds=5, output_schema=SCHEMA)
    assert ["response_format" in sent for sent in provider.mock.bodies] == [True, False, True, False]
