"""The table of providers: what a row may be, and what of an LLM's spec a row does not take."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import httpx2
import orjson
import pytest

from kubechain.api.llm import LLM
from kubechain.api.message import Message
from kubechain.api.usage import Usage
from kubechain.llm import providers
from kubechain.llm.auth import AuthScheme
from kubechain.llm.base_url import endpoint
from kubechain.llm.client import Accepted, Completion, Target, Verdict
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.dialects.openai_chat.encode import completion_body
from kubechain.llm.endpoints import ProviderEndpoint
from kubechain.llm.errors import InvalidTarget
from kubechain.llm.exchange import HttpCall, HttpReply, Reader
from kubechain.llm.pool import HttpPool
from kubechain.llm.provider_client import ProviderClient
from kubechain.llm.providers import CallLimits, ProviderRow, call_limits, ignored_parameters, title_of
from kubechain.llm.targets import target_for
from test.llm.builders import CANARY, NOW, a_target, an_llm, user

# --- a second dialect: one class and one row


class Lines:
    """The body of a reply that comes as lines, each a piece of the text: a stream, as far as a reader is concerned."""

    def __init__(self) -> None:
        self._received = b""

    def feed(self, chunk: bytes) -> None:
        self._received += chunk

    def body(self) -> bytes:
        return orjson.dumps({"said": self._received.decode().replace("\n", "")})


class ParrotDialect:
    """Sends the last message and reads lines of text."""

    def options(self, llm: LLM) -> str:
        return llm.metadata.name

    def takes(self, options: str) -> frozenset[str]:
        assert options == "gpt-4o"
        return frozenset({"parameters.temperature"})

    def encode(self, request: CompletionRequest) -> HttpCall:
        target = request.target
        body = orjson.dumps({"heard": request.messages[-1].content, "llm": target.options})
        return target.endpoint.call("POST", "speak", model=target.model, api_key=target.api_key, body=body)

    def decode(self, request: CompletionRequest, reply: HttpReply) -> Completion:
        message = Message(role="assistant", content=orjson.loads(reply.body)["said"])
        return Completion(message, Usage(), "stop", request.target.model)

    def reader(self, status: int, headers: Mapping[str, str]) -> Reader:
        assert (status, headers["x-kind"]) == (200, "lines")
        return Lines()

    def probe(self, target: Target) -> Generator[HttpCall, HttpReply, Verdict]:
        for operation in ("first", "second", "third"):
            yield target.endpoint.call("GET", operation, model=target.model, api_key=target.api_key)
        return Accepted()

    def judge(self, target: Target, reply: HttpReply) -> Verdict:
        raise NotImplementedError


PARROT = ProviderRow(
    title="Parrot",
    dialect=ParrotDialect(),
    endpoint=lambda _: ProviderEndpoint(endpoint("https://parrot.test/v9"), AuthScheme("x-parrot-key")),
)


async def test_a_provider_with_a_dialect_of_its_own_is_one_class_and_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PROVIDERS", {"anthropic": PARROT})
    received: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        received.append(request)
        return httpx2.Response(200, headers={"X-Kind": "lines"}, content=b"Moon\nville\n")

    llm = an_llm(provider="anthropic", parameters={"temperature": "1", "topK": 3})
    target = target_for(llm, api_key=CANARY)
    async with ProviderClient(HttpPool(now=lambda: NOW, transport=httpx2.MockTransport(answer))) as client:
        assert await client.check(target) == Accepted()
        completion = await client.complete(target, [user("hello")], timeout_seconds=5)

    assert completion.message.content == "Moonville"
    assert [request.url.path for request in received] == ["/v9/first", "/v9/second", "/v9/third", "/v9/speak"]
    assert {request.headers["x-parrot-key"] for request in received} == {CANARY}
    assert orjson.loads(received[-1].content) == {"heard": "hello", "llm": "gpt-4o"}
    assert (title_of(llm.spec), ignored_parameters(llm)) == ("Parrot", ("parameters.topK",))


# --- what has no effect is named

LOCAL = {"baseUrl": "http://127.0.0.1:1/v1"}


@pytest.mark.parametrize(
    ("spec", "ignored"),
    [
        pytest.param({}, (), id="nothing set"),
        pytest.param(
            {"parameters": {"model": "m", "temperature": "1", "maxTokens": 9, "topP": "1"}, "timeoutSeconds": 5},
            (),
            id="all of it acted on",
        ),
        pytest.param({"parameters": {"topK": 3}}, ("parameters.topK",), id="top_k, which OpenAI refuses"),
        pytest.param({"parameters": LOCAL | {"topK": 3}}, (), id="top_k, which compatible servers take"),
        pytest.param({"openai": {"organization": "o"}}, (), id="an organization"),
        pytest.param({"openai": {"maxTokensField": "max_tokens"}, "validation": "None"}, (), id="a field that chooses"),
        pytest.param(
            {"parameters": {"baseUrl": "https://eu.api.openai.com/v1", "topK": 3}},
            ("parameters.topK",),
            id="top_k in Europe",
        ),
        pytest.param({"openai": {"apiVersion": "v"}}, ("openai.apiVersion",), id="an API version without Azure"),
        pytest.param(
            {"openai": {"apiType": "AZURE", "apiVersion": "v", "organization": "o"}, "parameters": LOCAL},
            ("openai.organization",),
            id="an organization on Azure",
        ),
        pytest.param(
            {"provider": "mistral", "mistral": {"randomSeed": 7, "maxRetries": 2, "timeout": 9}},
            (),
            id="settings of Mistral",
        ),
        pytest.param(
            {"rateLimit": {"requestsPerMinute": 1}, "fallbacks": [{"name": "other"}], "maxConcurrentRequests": 3},
            (),
            id="what the controllers act on",
        ),
    ],
)
def test_fields_without_effect_are_named(spec: dict[str, Any], ignored: tuple[str, ...]) -> None:
    secret = {"secretKeyRef": {"name": "s", "key": "k"}}
    assert ignored_parameters(an_llm(apiKeyFrom=secret, **spec)) == ignored


def test_an_llm_without_a_row_has_no_parameters_to_speak_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PROVIDERS", {})
    with pytest.raises(InvalidTarget, match="not supported by this release"):
        ignored_parameters(an_llm(provider="google"))
    assert title_of(an_llm(provider="google").spec) == "google"


# --- how long, how often


@pytest.mark.parametrize(
    ("spec", "limits"),
    [
        ({}, CallLimits()),
        ({"timeoutSeconds": 5}, CallLimits(5)),
        ({"provider": "mistral", "mistral": {"timeout": 9, "maxRetries": 0}}, CallLimits(9, 0)),
        ({"provider": "mistral", "mistral": {"timeout": 9}, "timeoutSeconds": 5}, CallLimits(5)),
        ({"provider": "vertex", "timeoutSeconds": 5}, CallLimits(5)),
    ],
)
def test_an_llm_limits_its_calls(spec: dict[str, Any], limits: CallLimits) -> None:
    assert call_limits(an_llm(**spec).spec) == limits


# --- parameters by host


@pytest.mark.parametrize(
    ("base_url", "settings", "field"),
    [
        (None, {}, "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", {}, "max_completion_tokens"),
        ("https://us.api.openai.com/v1", {}, "max_completion_tokens"),
        ("https://mine.openai.azure.com/openai/v1", {}, "max_completion_tokens"),
        ("https://mine.services.ai.azure.com/openai/v1/", {}, "max_completion_tokens"),
        ("https://api.deepseek.com/v1", {}, "max_tokens"),
        ("https://notapi.openai.com.example/v1", {}, "max_tokens"),
        ("https://proxy.test/v1", {"maxTokensField": "max_completion_tokens"}, "max_completion_tokens"),
        (None, {"maxTokensField": "max_tokens"}, "max_tokens"),
    ],
)
def test_the_field_that_caps_tokens_is_chosen_by_host_or_by_the_llm(
    base_url: str | None, settings: dict[str, str], field: str
) -> None:
    target = a_target(base_url=base_url, parameters={"maxTokens": 7}, openai=settings)
    body = completion_body(CompletionRequest(target, [user("hello")]))
    assert {name: body[name] for name in body if name.startswith("max_")} == {field: 7}
