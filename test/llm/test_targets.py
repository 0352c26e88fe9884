"""From an LLM object to the target of a call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubechain.api.llm import LLM
from kubechain.llm import providers
from kubechain.llm.auth import AZURE_KEY, BEARER, OPTIONAL_BEARER, AuthScheme
from kubechain.llm.client import Parameters
from kubechain.llm.dialects.openai_chat import OpenAIChat
from kubechain.llm.dialects.openai_chat.options import (
    AZURE,
    COMPATIBLE,
    MISTRAL,
    OLDER_AZURE,
    OPENAI,
    ChatOptions,
    Flavour,
)
from kubechain.llm.endpoints import AzureDeployments, PathRule, PlainPaths
from kubechain.llm.errors import InvalidTarget
from kubechain.llm.targets import target_for
from test.llm.builders import CANARY, a_target, an_llm

LOCAL = "http://127.0.0.1:1/v1"


def test_a_plain_llm() -> None:
    target = target_for(an_llm(), api_key=CANARY)
    assert (target.provider, target.model, target.parameters) == ("openai", "gpt-4o", Parameters())
    assert target.endpoint.base.url == "https://api.openai.com/v1"
    assert target.api_key is not None
    assert target.api_key.get_secret_value() == CANARY
    assert CANARY not in repr(target)


def test_every_parameter_arrives() -> None:
    parameters = {
        "model": "big",
        "baseUrl": LOCAL,
        "temperature": "0.5",
        "maxTokens": 64,
        "topP": "0.9",
        "topK": 40,
        "frequencyPenalty": "-1",
        "presencePenalty": "1.5",
    }
    target = target_for(an_llm(parameters=parameters), api_key=None)
    assert (target.model, target.endpoint.base.url, target.api_key) == ("big", LOCAL, None)
    assert target.parameters == Parameters(0.5, 64, 0.9, 40, -1.0, 1.5)


@pytest.mark.parametrize(
    ("settings", "flavour", "auth", "paths"),
    [
        pytest.param({}, OPENAI, BEARER, PlainPaths(), id="OpenAI"),
        pytest.param({"parameters": {"baseUrl": LOCAL}}, COMPATIBLE, OPTIONAL_BEARER, PlainPaths(), id="compatible"),
        pytest.param({"provider": "mistral"}, MISTRAL, BEARER, PlainPaths(), id="Mistral"),
        pytest.param(
            {"openai": {"apiType": "AZURE", "apiVersion": "2024-10-21"}, "parameters": {"baseUrl": LOCAL}},
            OLDER_AZURE,
            AZURE_KEY,
            AzureDeployments("2024-10-21"),
            id="Azure with a key",
        ),
        pytest.param(
            {"openai": {"apiType": "AZURE_AD", "apiVersion": "2025-01-01"}, "parameters": {"baseUrl": LOCAL}},
            AZURE,
            BEARER,
            AzureDeployments("2025-01-01"),
            id="Azure with a directory token",
        ),
    ],
)
def test_the_row_decides_flavour_authentication_and_paths(
    settings: dict[str, Any], flavour: Flavour, auth: AuthScheme, paths: PathRule
) -> None:
    target = target_for(an_llm(**settings), api_key=CANARY)
    assert target.options == ChatOptions(flavour)
    assert (target.endpoint.auth, target.endpoint.paths) == (auth, paths)


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(InvalidTarget, match=r'parameters\.topP: not a number: "high"'):
        target_for(an_llm(parameters={"topP": "high"}), api_key=CANARY)


def test_a_provider_without_a_row_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PROVIDERS", {})
    with pytest.raises(InvalidTarget, match='provider not supported by this release: "google"'):
        a_target(provider="google")


def test_a_row_with_several_dialects_chooses_one_for_each_llm(monkeypatch: pytest.MonkeyPatch) -> None:
    row = providers.PROVIDERS["openai"]
    second = OpenAIChat(lambda _: MISTRAL)

    def by_model(llm: LLM) -> str:
        return "second" if llm.model_name == "m2" else ""

    several = replace(row, others={"second": second}, chooses=by_model)
    monkeypatch.setattr(providers, "PROVIDERS", {"openai": several})
    first, other = a_target("m1"), a_target("m2")
    assert (first.dialect, first.options) == ("", ChatOptions(OPENAI))
    assert (other.dialect, other.options) == ("second", ChatOptions(MISTRAL))
    assert several.dialect_named(other.dialect) is second
