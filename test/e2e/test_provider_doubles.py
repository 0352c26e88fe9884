"""The doubles of `servers.providers` are such that the providers' own SDKs take them for the providers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import errors as google_errors
from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from mistralai.client.models import BaseModelCard

from test.e2e.servers.providers import ANSWER, DOUBLES, Providers

QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of the moon?"}]
WRONG = "of-yesterday"


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    with Providers() as providers:
        yield providers


def key_of(name: str) -> str:
    return DOUBLES[name].key.removeprefix("Bearer ") or "none"


def by_openai(base_url: str, key: str, model: str) -> str | None:
    with openai.OpenAI(base_url=base_url, api_key=key, max_retries=0) as client:
        return client.chat.completions.create(model=model, messages=QUESTION).choices[0].message.content


def by_azure(base_url: str, key: str, model: str) -> str | None:
    headers = {"api-key": key}
    with openai.OpenAI(base_url=base_url, api_key="not-used", default_headers=headers, max_retries=0) as client:
        return client.chat.completions.create(model=model, messages=QUESTION).choices[0].message.content


def by_anthropic(base_url: str, key: str, model: str) -> str | None:
    headers = {"x-api-key": key}  # Anthropic takes a bearer too, which is what the SDK sends by itself
    with anthropic.Anthropic(base_url=base_url, api_key="not-used", default_headers=headers, max_retries=0) as client:
        assert client.models.retrieve(model).max_input_tokens == 1_000_000
        block = client.messages.create(model=model, max_tokens=99, messages=QUESTION).content[0]
        assert block.type == "text"
        return block.text


def by_google(base_url: str, key: str, model: str) -> str | None:
    options = genai.types.HttpOptions(base_url=base_url, api_version="v1beta")
    with genai.Client(api_key=key, vertexai=False, http_options=options) as client:
        models: Any = client.models  # its types name those of an image library that is not installed
        assert models.get(model=model).input_token_limit == 1_048_576
        return models.generate_content(model=model, contents=QUESTION[0]["content"]).text


def by_mistral(base_url: str, key: str, model: str) -> str | None:
    with Mistral(api_key=key, server_url=base_url) as client:
        card = client.models.retrieve(model_id=model)
        assert isinstance(card, BaseModelCard)
        assert card.max_context_length == 262_144
        message = client.chat.complete(model=model, messages=QUESTION).choices[0].message
        assert message is not None
        assert isinstance(message.content, str)
        return message.content


def by_ollama(base_url: str, key: str, model: str) -> str | None:
    del key
    with contextlib.closing(ollama.Client(host=base_url)) as opened:
        client: Any = opened  # its overloads are not fully typed
        assert client.show(model).modelinfo == {"qwen3.context_length": 40_960}
        return client.chat(model=model, messages=QUESTION).message.content


SDKS: Mapping[str, tuple[Callable[[str, str, str], str | None], str, str]] = {
    "openai": (by_openai, "/v1", "gpt-4o"),
    "compatible": (by_openai, "/v1", "SmolLM2-135M-Instruct"),
    "anthropic": (by_anthropic, "", "claude-opus-5-5"),
    "google": (by_google, "", "gemini-3-pro-preview"),
    "mistral": (by_mistral, "", "mistral-large-latest"),
    "azure": (by_azure, "/openai/v1", "my-deployment"),
    "entra": (by_openai, "/openai/v1", "my-deployment"),
    "bedrock": (by_openai, "/openai/v1", "openai.gpt-oss-120b"),
    "ollama": (by_ollama, "", "qwen3:8b"),
}
"""Of each double: what calls it, the path of the base URL that it is given, and the model."""

REFUSALS = (openai.AuthenticationError, anthropic.AuthenticationError, google_errors.ClientError, SDKError)


@pytest.mark.parametrize("name", DOUBLES)
def test_the_sdk_of_the_provider_reads_the_double(name: str, providers: Providers) -> None:
    call, path, model = SDKS[name]
    assert call(f"{providers.url}/{name}{path}", key_of(name), model) == ANSWER


@pytest.mark.parametrize("name", [name for name, double in DOUBLES.items() if double.key])
def test_another_key_is_refused(name: str, providers: Providers) -> None:
    call, path, model = SDKS[name]
    with pytest.raises(REFUSALS):
        call(f"{providers.url}/{name}{path}", WRONG, model)
