"""The table of providers: for each its dialect, its endpoint, and which settings of an LLM it takes.

A new provider is a row here, and a dialect where it speaks a new one; no other module knows a provider by name. A
provider without a row is one that this release does not serve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from kubechain.api.llm import LLM, LLMPrices, LLMProvider, LLMSpec, MistralConfig, OpenAIConfig, RateLimit
from kubechain.api.meta import KubeModel, wire_name
from kubechain.llm import anthropic_versions, hosts
from kubechain.llm.auth import BEARER, GOOGLE_KEY, OPTIONAL_BEARER, OPTIONAL_GOOGLE_KEY, OPTIONAL_X_API_KEY, X_API_KEY
from kubechain.llm.base_path import versioned, with_api
from kubechain.llm.base_url import endpoint
from kubechain.llm.cloud_endpoints import azure_endpoint, bedrock_endpoint, is_claude, vertex_endpoint
from kubechain.llm.dialects.anthropic_messages import AnthropicMessages
from kubechain.llm.dialects.anthropic_messages.options import ON_VERTEX, Form
from kubechain.llm.dialects.dialect import Dialect
from kubechain.llm.dialects.gemini import Gemini
from kubechain.llm.dialects.ollama import Ollama
from kubechain.llm.dialects.openai_chat import OpenAIChat
from kubechain.llm.dialects.openai_chat.options import AZURE, BEDROCK, COMPATIBLE, MISTRAL, OLDER_AZURE, OPENAI, Flavour
from kubechain.llm.dialects.openai_responses import OpenAIResponses
from kubechain.llm.endpoints import RESPONSES, ExtraHeader, ProviderEndpoint
from kubechain.llm.errors import InvalidTarget

OPENAI_BASE_URL = "https://api.openai.com/v1"
MISTRAL_BASE_URL = "https://api.mistral.ai/v1"
GOOGLE_BASE_URL = "https://generativelanguage.googleapis.com"
ANTHROPIC_BASE_URL = "https://api.anthropic.com"
OLLAMA_BASE_URL = "https://ollama.com"

_MESSAGES = "anthropic-messages"
"""Name of the second dialect of clouds that host models of Anthropic's."""

_AZURE_COMPLETION_TOKENS_SINCE = "2024-12-01"
"""From this version of Azure's API on `max_completion_tokens` is known, which reasoning models insist on."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What an LLM says of its calls, beside the limits of the Agent.

    Attributes:
        timeout_seconds: How long one call may take; None for the default.
        max_retries: How often a call that failed is repeated; None for no limit of this sort.
    """

    timeout_seconds: float | None = None
    max_retries: int | None = None


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """All that is particular to a provider.

    Attributes:
        title: The provider's name as people write it.
        dialect: What it speaks, unless `chooses` names another.
        endpoint: Makes address and authentication for an LLM; raises `InvalidTarget` where its settings allow none.
        takes: Returns the fields of the provider's own block in `spec` that the endpoint and the limits act on.
        limits: Returns how long a call may take and how often it is repeated.
        others: What it speaks besides, by the name that `Target.dialect` keeps.
        chooses: Returns the name of the dialect for an LLM; empty for the first.
        hosted: Returns the name of who offers the provider's models to an LLM; empty where that is the provider.
    """

    title: str
    dialect: Dialect
    endpoint: Callable[[LLMSpec], ProviderEndpoint]
    takes: Callable[[LLMSpec], frozenset[str]] = lambda _: frozenset()
    limits: Callable[[LLMSpec], CallLimits] = lambda spec: CallLimits(spec.timeout_seconds)
    others: Mapping[str, Dialect] = field(default_factory=dict[str, Dialect])
    chooses: Callable[[LLM], str] = lambda _: ""
    hosted: Callable[[LLMSpec], str] = lambda _: ""

    def dialect_named(self, name: str) -> Dialect:
        """Return a dialect of this provider by the name in `Target.dialect`."""
        return self.others[name] if name else self.dialect


def _openai_config(spec: LLMSpec) -> OpenAIConfig:
    return spec.openai or OpenAIConfig()


def _is_azure(spec: LLMSpec) -> bool:
    return _openai_config(spec).api_type != "OPEN_AI"


def _openai_flavour(spec: LLMSpec) -> Flavour:
    if _is_azure(spec):
        version = _openai_config(spec).api_version
        return AZURE if version is None or version >= _AZURE_COMPLETION_TOKENS_SINCE else OLDER_AZURE
    base_url = spec.parameters.base_url
    host = endpoint(base_url or OPENAI_BASE_URL).host
    if hosts.is_openai(host):
        return OPENAI
    return AZURE if hosts.is_azure(host) else COMPATIBLE


def _openai_endpoint(spec: LLMSpec) -> ProviderEndpoint:
    if _is_azure(spec):
        return azure_endpoint(spec)
    config = _openai_config(spec)
    base = endpoint(spec.parameters.base_url or OPENAI_BASE_URL)
    is_official = hosts.is_openai(base.host) or hosts.is_azure(base.host)
    return ProviderEndpoint(
        base=base,
        auth=BEARER if is_official else OPTIONAL_BEARER,
        is_official=is_official,
        headers=(
            *_header("openai-organization", config.organization, "openai.organization"),
            *_header("openai-project", config.project, "openai.project"),
        ),
    )


def _header(name: str, value: str | None, setting: str) -> tuple[ExtraHeader, ...]:
    return (ExtraHeader(name, value, setting),) if value else ()


_OPENAI_TAKES = {
    "OPEN_AI": frozenset({"openai.organization", "openai.project"}),
    "AZURE": frozenset({"openai.apiVersion"}),
    "AZURE_AD": frozenset({"openai.apiVersion", "openai.tenantId", "openai.clientId"}),
}
"""What the endpoint takes, by `openai.apiType`."""


def _openai_takes(spec: LLMSpec) -> frozenset[str]:
    own = frozenset({"openai.apiType", "openai.api"}) | _OPENAI_TAKES[_openai_config(spec).api_type]
    return own if _has_responses(spec) else own | {"openai.maxTokensField"}


def _has_responses(spec: LLMSpec) -> bool:
    return _openai_config(spec).api == "Responses"


def _openai_dialect(llm: LLM) -> str:
    """Return the name of the dialect of an LLM of OpenAI.

    Raises:
        InvalidTarget: The API that it names is not there under its address.
    """
    if not _has_responses(llm.spec):
        return ""
    if _is_azure(llm.spec) and _openai_config(llm.spec).api_version:
        raise InvalidTarget("openai.api: Responses is a part of Azure's v1 API: leave out openai.apiVersion")
    return RESPONSES


def _google_endpoint(spec: LLMSpec) -> ProviderEndpoint:
    base = endpoint(versioned(spec.parameters.base_url or GOOGLE_BASE_URL, "v1beta"))
    is_official = hosts.is_google(base.host)
    return ProviderEndpoint(base=base, auth=GOOGLE_KEY if is_official else OPTIONAL_GOOGLE_KEY, is_official=is_official)


def _mistral_endpoint(spec: LLMSpec) -> ProviderEndpoint:
    base = endpoint(spec.parameters.base_url or MISTRAL_BASE_URL)
    return ProviderEndpoint(base=base, auth=BEARER, is_official=hosts.is_mistral(base.host))


def _mistral_limits(spec: LLMSpec) -> CallLimits:
    own = spec.mistral or MistralConfig()
    return CallLimits(spec.timeout_seconds or own.timeout, own.max_retries)


def _ollama_endpoint(spec: LLMSpec) -> ProviderEndpoint:
    """Return the endpoint of a server; none is called official, because Ollama's own describes models to everybody."""
    base = endpoint(with_api(spec.parameters.base_url or OLLAMA_BASE_URL))
    return ProviderEndpoint(base=base, auth=BEARER if hosts.is_ollama(base.host) else OPTIONAL_BEARER)


def _anthropic_endpoint(spec: LLMSpec) -> ProviderEndpoint:
    base = endpoint(versioned(spec.parameters.base_url or ANTHROPIC_BASE_URL))
    is_official = hosts.is_anthropic(base.host)
    beta = spec.anthropic.anthropic_beta_header if spec.anthropic else None
    number = anthropic_versions.version_of(spec) if is_official else anthropic_versions.WITH_SAMPLING
    version = ExtraHeader("anthropic-version", number, "anthropic-version")
    betas = ",".join(part.strip() for part in beta.split(",") if part.strip()) if beta else ""
    beta_headers = (ExtraHeader("anthropic-beta", betas, "anthropic.anthropicBetaHeader"),) if betas else ()
    return ProviderEndpoint(
        base=base,
        auth=X_API_KEY if is_official else OPTIONAL_X_API_KEY,
        is_official=is_official,
        headers=(version, *beta_headers),
    )


def _form_on_vertex(llm: LLM) -> Form:
    with_sampling = anthropic_versions.WITH_SAMPLING_ON_VERTEX
    version = anthropic_versions.version_of(llm.spec, with_sampling=with_sampling)
    return replace(ON_VERTEX, version_in_body=version)


def _of_cloud(llm: LLM) -> str:
    """Return the name of the dialect of a model that a cloud hosts."""
    return _MESSAGES if is_claude(llm.model_name) else ""


PROVIDERS: Mapping[str, ProviderRow] = MappingProxyType(
    {
        LLMProvider.OPENAI: ProviderRow(
            "OpenAI",
            OpenAIChat(_openai_flavour),
            _openai_endpoint,
            _openai_takes,
            others={RESPONSES: OpenAIResponses()},
            chooses=_openai_dialect,
            hosted=lambda spec: "Azure OpenAI" if _is_azure(spec) else "",
        ),
        LLMProvider.ANTHROPIC: ProviderRow(
            "Anthropic",
            AnthropicMessages(),
            _anthropic_endpoint,
            lambda _: frozenset({"anthropic.anthropicBetaHeader"}),
        ),
        LLMProvider.GOOGLE: ProviderRow("Google", Gemini(), _google_endpoint),
        LLMProvider.MISTRAL: ProviderRow(
            "Mistral",
            OpenAIChat(lambda _: MISTRAL),
            _mistral_endpoint,
            lambda _: frozenset({"mistral.timeout", "mistral.maxRetries"}),
            _mistral_limits,
        ),
        LLMProvider.OLLAMA: ProviderRow("Ollama", Ollama(), _ollama_endpoint),
        LLMProvider.BEDROCK: ProviderRow(
            "Amazon Bedrock",
            OpenAIChat(lambda _: BEDROCK),
            bedrock_endpoint,
            lambda _: frozenset({"bedrock.region"}),
            others={_MESSAGES: AnthropicMessages()},
            chooses=_of_cloud,
        ),
        LLMProvider.VERTEX: ProviderRow(
            "Vertex AI",
            Gemini(),
            vertex_endpoint,
            lambda _: frozenset({"vertex.cloudProject", "vertex.cloudLocation"}),
            others={_MESSAGES: AnthropicMessages(_form_on_vertex)},
            chooses=_of_cloud,
        ),
    }
)


def row_for(provider: str) -> ProviderRow:
    """Find a provider's row.

    Raises:
        InvalidTarget: This release does not serve the provider.
    """
    if (row := PROVIDERS.get(provider)) is None:
        raise InvalidTarget(f'provider not supported by this release: "{provider}"')
    return row


def call_limits(spec: LLMSpec) -> CallLimits:
    """Return the limits of the calls of an LLM."""
    row = PROVIDERS.get(spec.provider)
    return row.limits(spec) if row else CallLimits(spec.timeout_seconds)


def title_of(spec: LLMSpec) -> str:
    """Return the name of an LLM's provider as people write it."""
    row = PROVIDERS.get(spec.provider)
    return (row.hosted(spec) or row.title) if row else str(spec.provider)


_TAKEN_BY_ALL = frozenset(
    {
        "provider",
        "apiKeyFrom.secretKeyRef",
        "parameters.model",
        "parameters.baseUrl",
        "parameters.contextWindow",
        "timeoutSeconds",
        "validation",
        "maxConcurrentRequests",
        "fallbacks",
        *(f"rateLimit.{wire_name(field)}" for field in RateLimit.model_fields),
        *(f"prices.{wire_name(field)}" for field in LLMPrices.model_fields),
    }
)
"""Fields of `spec` that have their effect whatever the provider."""


def ignored_parameters(llm: LLM) -> tuple[str, ...]:
    """Return the fields that are set in an LLM's `spec` and have no effect, such as `parameters.topK`.

    A field that nobody claims counts as ignored, so that a new one cannot be dropped in silence.

    Raises:
        InvalidTarget: The LLM's settings cannot make a request at all.
    """
    row = row_for(llm.spec.provider)
    dialect = row.dialect_named(row.chooses(llm))
    taken = _TAKEN_BY_ALL | row.takes(llm.spec) | dialect.takes(dialect.options(llm))
    return tuple(name for name in _set_fields(llm.spec) if name not in taken)


def _set_fields(spec: LLMSpec) -> Iterator[str]:
    for block, value in _values(spec):
        if isinstance(value, KubeModel):
            yield from (f"{block}.{name}" for name, _ in _values(value))
        else:
            yield block


def _values(model: KubeModel) -> Iterator[tuple[str, object]]:
    """The fields of a model that say something, by their names on the wire."""
    for attribute in type(model).model_fields:
        value = getattr(model, attribute)
        if value is not None and value != ():
            yield wire_name(attribute), value
