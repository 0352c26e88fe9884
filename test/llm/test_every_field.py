"""Every field of an LLM's spec, with every provider that may set it: it changes what is called, or it is named.

A new field has to get a row here, a new provider a base. What a field changes is read off the encoded request.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

import pytest

from kubechain.api.llm import LLM, LLMProvider, LLMSpec
from kubechain.api.message import Message
from kubechain.api.meta import KubeModel, wire_name
from kubechain.llm import providers
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.errors import InvalidTarget
from kubechain.llm.providers import PROVIDERS, call_limits, ignored_parameters
from kubechain.llm.targets import target_for
from test.controllers.llm import test_decide, test_settle
from test.controllers.taskrun import test_growth, test_llmqueue
from test.llm import test_prices, test_targets
from test.llm.builders import CANARY, an_llm, user

VALUES: Mapping[str, object] = {
    "parameters.model": "claude-of-mars",
    "parameters.baseUrl": "https://models.test/v1",
    "parameters.temperature": "0.5",
    "parameters.maxTokens": 77,
    "parameters.topP": "0.25",
    "parameters.topK": 3,
    "parameters.frequencyPenalty": "0.75",
    "parameters.presencePenalty": "0.125",
    "parameters.stream": "Always",
    "openai.api": "Responses",
    "openai.organization": "org-1",
    "openai.project": "proj_1",
    "openai.apiType": "AZURE",
    "openai.apiVersion": "2024-10-21",
    "openai.tenantId": "tenant-1",
    "openai.clientId": "client-1",
    "openai.maxTokensField": "max_tokens",
    "anthropic.anthropicBetaHeader": "beta-1",
    "vertex.cloudProject": "another-project",
    "vertex.cloudLocation": "global",
    "bedrock.region": "us-east-2",
    "google.cloudProject": "moonville",
    "google.cloudLocation": "eu",
    "ollama.numCtx": 8_192,
    "ollama.keepAlive": "30m",
    "ollama.think": "Off",
    "ollama.randomSeed": 7,
    "mistral.maxRetries": 2,
    "mistral.timeout": 9,
    "mistral.randomSeed": 7,
    "timeoutSeconds": 5,
}
"""A value of each field that a provider's row or dialect may take; another one than that of the base."""

OTHER_VALUES = {("a compatible server", "openai.maxTokensField"): "max_completion_tokens"}
"""Where the value would say what holds anyway."""

WINDOW_TEST = test_growth.test_the_window_is_the_one_that_the_provider_names_where_the_llm_says_nothing
ELSEWHERE: Mapping[str, object] = {
    "provider": test_targets.test_the_row_decides_flavour_authentication_and_paths,
    "apiKeyFrom.secretKeyRef": test_decide.test_decide,
    "parameters.contextWindow": WINDOW_TEST,
    "validation": test_settle.test_no_more_is_claimed_than_was_proved,
    "maxConcurrentRequests": test_llmqueue.test_a_full_llm_holds_up_nobody_elses_runs,
    "rateLimit.requestsPerMinute": test_decide.test_decide,
    "rateLimit.tokensPerMinute": test_decide.test_decide,
    "fallbacks": test_decide.test_decide,
    "prices.inputPerMillion": test_prices.test_the_cost_of_a_million_tokens_and_a_tenth_of_it_back,
    "prices.outputPerMillion": test_prices.test_the_cost_of_a_million_tokens_and_a_tenth_of_it_back,
    "prices.cacheReadPerMillion": test_prices.test_tokens_of_the_cache_have_a_price_of_their_own,
    "prices.cacheWritePerMillion": test_prices.test_tokens_of_the_cache_have_a_price_of_their_own,
}
"""Fields that the controllers act on, or what is outside a request, with the test that shows it."""

AZURE = "https://mine.openai.azure.com"

BASES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "OpenAI": ("openai", {"parameters": {"maxTokens": 5}}),
    "a compatible server": ("openai", {"parameters": {"maxTokens": 5, "baseUrl": "http://127.0.0.1:1/v1"}}),
    "Azure": ("openai", {"openai": {"apiType": "AZURE"}, "parameters": {"maxTokens": 5, "baseUrl": AZURE}}),
    "Azure by Entra": ("openai", {"openai": {"apiType": "AZURE_AD"}, "parameters": {"maxTokens": 5, "baseUrl": AZURE}}),
    "OpenAI's Responses": ("openai", {"openai": {"api": "Responses"}, "parameters": {"maxTokens": 50}}),
    "Google": ("google", {}),
    "Gemini on Vertex": (
        "vertex",
        {"vertex": {"cloudProject": "moonville", "cloudLocation": "eu"}, "parameters": {"model": "gemini-3-pro"}},
    ),
    "Mistral": ("mistral", {}),
    "Ollama": ("ollama", {}),
    "Anthropic": ("anthropic", {}),
    "Claude on Vertex": ("vertex", {"vertex": {"cloudProject": "moonville", "cloudLocation": "eu"}}),
    "a model of Bedrock": ("bedrock", {"bedrock": {"region": "eu-west-1"}, "parameters": {"model": "qwen.qwen3"}}),
    "Claude on Bedrock": ("bedrock", {"bedrock": {"region": "eu-west-1"}}),
}
"""An LLM of each row, and of each sort within it; the model of those without one is one of Anthropic's."""

BLOCKS = frozenset({"openai", "anthropic", "vertex", "bedrock", "google", "mistral", "ollama"})


def fields_of(model: type[KubeModel], prefix: str = "") -> Iterator[str]:
    for attribute, field in model.model_fields.items():
        name = f"{prefix}{wire_name(attribute)}"
        block = _model_of(field.annotation)
        if block and not prefix:
            yield from fields_of(block, f"{name}.")
        else:
            yield name


def _model_of(annotation: object) -> type[KubeModel] | None:
    """The model of a field that holds one, or may; a list of models is one field."""
    if get_origin(annotation) is tuple:
        return None
    candidates = (annotation, *get_args(annotation))
    return next((one for one in candidates if inspect.isclass(one) and issubclass(one, KubeModel)), None)


def a_spec(base: str, name: str | None = None) -> LLM:
    provider, given = BASES[base]
    spec: dict[str, Any] = {key: dict(block) for key, block in given.items()}
    spec.setdefault("parameters", {}).setdefault("model", "claude-of-moonville")
    if name:
        block, _, field = name.rpartition(".")
        (spec.setdefault(block, {}) if block else spec)[field] = OTHER_VALUES.get((base, name), VALUES[name])
    return an_llm(provider=provider, **spec)


def effect(llm: LLM) -> object:
    """All that a call is made of."""
    target = target_for(llm, api_key=CANARY)
    conversation: list[Message] = [user("hello")]
    call = (
        providers.row_for(target.provider).dialect_named(target.dialect).encode(CompletionRequest(target, conversation))
    )
    return call.method, call.url, dict(call.headers), call.body, call_limits(llm.spec), target.endpoint.grant


def may_set(base: str, name: str) -> bool:
    block = name.partition(".")[0]
    return block not in BLOCKS or block == BASES[base][0]


@pytest.mark.parametrize("name", list(fields_of(LLMSpec)))
def test_a_field_has_a_row(name: str) -> None:
    assert (name in VALUES) != (name in ELSEWHERE)


@pytest.mark.parametrize(
    ("base", "name"), [(base, name) for base in BASES for name in VALUES if may_set(base, name)], ids=str
)
def test_a_field_changes_the_call_or_is_named(base: str, name: str) -> None:
    before, after = a_spec(base), a_spec(base, name)
    if before.spec == after.spec:
        return  # the base has this value
    try:
        changed = effect(before) != effect(after)
    except InvalidTarget as refusal:
        assert "baseUrl: required" in str(refusal)  # noqa: PT017 Azure without an address
    else:
        assert (name in ignored_parameters(after)) != changed


def test_every_row_has_a_base() -> None:
    assert {provider for provider, _ in BASES.values()} == {str(provider) for provider in PROVIDERS}
    assert set(VALUES) | set(ELSEWHERE) == set(fields_of(LLMSpec))
    assert {str(provider) for provider in LLMProvider} >= {provider for provider, _ in BASES.values()}
