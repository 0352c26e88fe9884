"""From an LLM object to the target of a call."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.llm import LLM
from kubechain.llm.client import APIType, MistralOptions, OpenAIOptions, Parameters
from kubechain.llm.errors import InvalidTarget
from kubechain.llm.targets import target_for
from test.llm.builders import CANARY


def an_llm(**spec: Any) -> LLM:
    metadata = {"name": "gpt-4o", "namespace": "default", "uid": "uid-1"}
    return LLM.from_wire({"kind": "LLM", "metadata": metadata, "spec": {"provider": "openai"} | spec})


def test_a_plain_llm() -> None:
    target = target_for(an_llm(), api_key=CANARY)
    assert (target.provider, target.model) == ("openai", "gpt-4o")
    assert (target.base_url, target.parameters, target.openai) == (None, Parameters(), OpenAIOptions())
    assert target.api_key is not None
    assert target.api_key.get_secret_value() == CANARY
    assert CANARY not in repr(target)


def test_every_parameter_arrives() -> None:
    parameters = {
        "model": "big",
        "baseUrl": "http://127.0.0.1:1/v1",
        "temperature": "0.5",
        "maxTokens": 64,
        "topP": "0.9",
        "topK": 40,
        "frequencyPenalty": "-1",
        "presencePenalty": "1.5",
    }
    target = target_for(an_llm(parameters=parameters), api_key=None)
    assert (target.model, target.base_url, target.api_key) == ("big", "http://127.0.0.1:1/v1", None)
    assert target.parameters == Parameters(0.5, 64, 0.9, 40, -1.0, 1.5)


def test_azure() -> None:
    options = {"apiType": "AZURE_AD", "apiVersion": "2024-10-21", "organization": "org"}
    target = target_for(an_llm(openai=options), api_key=CANARY)
    assert target.openai == OpenAIOptions("org", APIType.AZURE_AD, "2024-10-21")


def test_mistral() -> None:
    target = target_for(an_llm(provider="mistral", mistral={"randomSeed": 7}), api_key=CANARY)
    assert (target.provider, target.mistral) == ("mistral", MistralOptions(random_seed=7))


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(InvalidTarget, match=r'parameters\.topP: not a number: "high"'):
        target_for(an_llm(parameters={"topP": "high"}), api_key=CANARY)
