"""The clouds' clients in the SDKs of OpenAI and Anthropic call the same addresses, with the same credentials."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import orjson
import pytest
from anthropic.lib.bedrock import AnthropicBedrockMantle
from anthropic.lib.vertex import AnthropicVertex
from pydantic import SecretStr

from kubechain.llm import providers
from kubechain.llm.base_url import endpoint
from kubechain.llm.exchange import HttpCall
from kubechain.llm.identity import KeyAsItIs, Surroundings
from test.llm.builders import CANARY, a_request, a_target, user

CLAUDE = "claude-sonnet-5@20260929"
AZURE = "https://mine.openai.azure.com"
QUESTION = "What is the capital of the moon?"
Ask = Callable[[httpx2.Client], object]


def of_sdk(ask: Ask) -> tuple[httpx2.Request, dict[str, Any]]:
    """The request that an SDK sends."""
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(418, json={"error": {"message": "enough"}})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client, pytest.raises(Exception, match="enough"):
        ask(client)
    return sent[0], json.loads(sent[0].content)


def of_ours(model: str, **spec: Any) -> HttpCall:
    target = a_target(model, **spec)
    if target.endpoint.grant:  # a key as it is stands for the token that is fetched
        way = target.endpoint.grant.way(SecretStr(CANARY), endpoint(AZURE), Surroundings({}, str))
        assert way == KeyAsItIs()
    return providers.row_for(target.provider).dialect_named(target.dialect).encode(a_request(target, user(QUESTION)))


def on_vertex(http: httpx2.Client, location: str) -> object:
    client = AnthropicVertex(
        region=location, project_id="moonville", access_token=CANARY, http_client=http, max_retries=0
    )
    return client.messages.create(model=CLAUDE, max_tokens=16, messages=[{"role": "user", "content": QUESTION}])


@pytest.mark.parametrize("location", ["europe-west4", "global", "eu", "us"])
def test_claude_on_vertex(location: str) -> None:
    theirs, their_body = of_sdk(lambda http: on_vertex(http, location))
    spec = {"provider": "vertex", "vertex": {"cloudProject": "moonville", "cloudLocation": location}}
    ours = of_ours(CLAUDE, **spec, parameters={"maxTokens": 16})
    our_body = orjson.loads(ours.body or b"")
    assert ours.url == str(theirs.url).replace("%40", "@")
    assert ours.headers["authorization"] == theirs.headers["authorization"]
    assert our_body["anthropic_version"] == their_body["anthropic_version"]
    assert "model" not in our_body
    assert "model" not in their_body


def on_bedrock(http: httpx2.Client) -> object:
    client = AnthropicBedrockMantle(aws_region="eu-west-1", api_key=CANARY, http_client=http, max_retries=0)
    return client.messages.create(
        model="anthropic.claude-sonnet-5", max_tokens=16, messages=[{"role": "user", "content": QUESTION}]
    )


def test_claude_on_bedrock() -> None:
    theirs, their_body = of_sdk(on_bedrock)
    ours = of_ours("anthropic.claude-sonnet-5", provider="bedrock", bedrock={"region": "eu-west-1"})
    assert ours.url == str(theirs.url)
    assert orjson.loads(ours.body or b"")["model"] == their_body["model"]
    assert ours.headers["anthropic-version"] == theirs.headers["anthropic-version"]
    assert ours.headers["authorization"] == theirs.headers["authorization"]


def on_azure(http: httpx2.Client, version: str) -> object:
    client = openai.AzureOpenAI(
        azure_endpoint=AZURE, api_version=version, api_key=CANARY, http_client=http, max_retries=0
    )
    return client.chat.completions.create(model="my deployment", messages=[{"role": "user", "content": QUESTION}])


def test_deployments_of_azure() -> None:
    theirs, _ = of_sdk(lambda http: on_azure(http, "2024-10-21"))
    ours = of_ours("my deployment", base_url=AZURE, openai={"apiType": "AZURE", "apiVersion": "2024-10-21"})
    assert ours.url == str(theirs.url)
    assert ours.headers["api-key"] == theirs.headers["api-key"]
