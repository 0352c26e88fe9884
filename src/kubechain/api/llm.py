"""LLM: a model of a provider, with the key to use it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kubechain.api import conditions
from kubechain.api.fallbacks import FALLBACKS_LIMIT
from kubechain.api.meta import UNSEEN, KubeModel, ReadinessStatus, StatusObject, Time
from kubechain.api.references import LocalObjectReference, SecretKeySource
from kubechain.api.schema import NonNegativeInt, PositiveInt, Rule, Schema, ShortText, Url
from kubechain.api.usage import Dollars

_UNIT_INTERVAL = r"^(0(\.[0-9]+)?|1(\.0+)?)$"
_ZERO_TO_TWO = r"^([01](\.[0-9]+)?|2(\.0+)?)$"
_MINUS_TWO_TO_TWO = r"^-?([01](\.[0-9]+)?|2(\.0+)?)$"


class LLMProvider(StrEnum):
    """The provider whose API is called."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    MISTRAL = "mistral"
    GOOGLE = "google"
    VERTEX = "vertex"
    BEDROCK = "bedrock"
    OLLAMA = "ollama"


class LLMParameters(KubeModel):
    """Address and sampling settings of the model. Fractions are strings, because Kubernetes APIs avoid floats."""

    model: Annotated[str, Schema(min_length=1, max_length=256)] | None = Field(
        default=None, description="Name of the model at the provider. Defaults to the name of this LLM."
    )
    base_url: Url | None = Field(
        default=None,
        description="Address of the API, for a compatible server or a proxy. Defaults to the provider's own.",
    )
    temperature: Annotated[str, Schema(max_length=16, pattern=_ZERO_TO_TWO)] | None = Field(
        default=None, description='Randomness of the answer, a number from "0" to "2" in quotes.'
    )
    max_tokens: PositiveInt | None = Field(default=None, description="Most tokens that one answer may have.")
    context_window: PositiveInt | None = Field(
        default=None,
        description="Most tokens that a request may have; Agents say in context what becomes of conversations that "
        "outgrow it. Default: what the provider says of the model, else no limit until it refuses one as too long.",
    )
    top_p: Annotated[str, Schema(max_length=16, pattern=_UNIT_INTERVAL)] | None = Field(
        default=None, description='Nucleus sampling, a number from "0" to "1" in quotes.'
    )
    top_k: PositiveInt | None = Field(default=None, description="Sample from the k most likely tokens only.")
    frequency_penalty: Annotated[str, Schema(max_length=16, pattern=_MINUS_TWO_TO_TWO)] | None = Field(
        default=None, description='Penalty on tokens by how often they occurred, from "-2" to "2" in quotes.'
    )
    presence_penalty: Annotated[str, Schema(max_length=16, pattern=_MINUS_TWO_TO_TWO)] | None = Field(
        default=None, description='Penalty on tokens that occurred at all, from "-2" to "2" in quotes.'
    )
    stream: Literal["Auto", "Always", "Never"] | None = Field(
        default=None,
        description="Whether answers come as streams. Auto, the default: where the provider insists (long answers of "
        "Anthropic), and after something on the way closed a connection on which nothing was sent for long. A "
        "turn is recorded when it is whole, whatever is chosen.",
    )


class OpenAIConfig(KubeModel):
    """Settings of provider openai."""

    organization: ShortText | None = Field(default=None, description="OpenAI organization that is billed.")
    project: ShortText | None = Field(default=None, description="OpenAI project that is billed.")
    api_type: Annotated[Literal["OPEN_AI", "AZURE", "AZURE_AD"], Schema(default="OPEN_AI")] = Field(
        default="OPEN_AI",
        description="Flavour of the API: OpenAI itself, or Azure with a key or with a directory token.",
    )
    api_version: Annotated[str, Schema(max_length=64)] | None = Field(
        default=None,
        description="Version of the Azure API, for example 2024-10-21: calls go to the paths of deployments. Not set: "
        "to Azure's v1 API, which has no version.",
    )
    tenant_id: ShortText | None = Field(
        default=None,
        description="Entra tenant, for apiType AZURE_AD. Not set: the one of the manager's workload identity.",
    )
    client_id: ShortText | None = Field(
        default=None,
        description="Entra application, for apiType AZURE_AD. With apiKeyFrom, which then holds its client secret; "
        "without, the application that trusts the manager's service account. Not set: apiKeyFrom holds a token, or the "
        "manager's workload identity is used.",
    )
    api: Annotated[Literal["Chat", "Responses"], Schema(default="Chat")] = Field(
        default="Chat",
        description="API of OpenAI that is called. Chat: chat/completions, which every compatible server has. "
        "Responses: responses, where models keep their reasoning over tool calls; the provider stores nothing.",
    )
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = Field(
        default=None,
        description="Field of the request that carries parameters.maxTokens. Not set: max_completion_tokens for hosts "
        "of OpenAI and Azure, max_tokens for any other baseUrl. To be set for a proxy in front of OpenAI.",
    )


class AnthropicConfig(KubeModel):
    """Settings of provider anthropic."""

    anthropic_beta_header: ShortText | None = Field(
        default=None, description="Value of the anthropic-beta header, to opt in to beta features."
    )


class CloudConfig(KubeModel):
    """Settings of a provider that is reached through a Google Cloud project."""

    cloud_project: ShortText | None = Field(default=None, description="Google Cloud project.")
    cloud_location: ShortText | None = Field(default=None, description="Google Cloud region, for example europe-west4.")


class VertexConfig(KubeModel):
    """Settings of provider vertex."""

    cloud_project: Annotated[str, Schema(min_length=1, max_length=256)] = Field(description="Google Cloud project.")
    cloud_location: Annotated[str, Schema(min_length=1, max_length=256)] = Field(
        description="Google Cloud region, for example europe-west4."
    )


class BedrockConfig(KubeModel):
    """Settings of provider bedrock."""

    region: Annotated[str, Schema(min_length=1, max_length=64)] = Field(description="AWS region, such as eu-west-1.")


class MistralConfig(KubeModel):
    """Settings of provider mistral."""

    max_retries: NonNegativeInt | None = Field(
        default=None,
        description="Most repeats of a model call that failed and may pass; the run fails after them, or after the "
        "Agent's limits.retryFor.",
    )
    timeout: PositiveInt | None = Field(
        default=None, description="Seconds that one model call may take, where timeoutSeconds is not set."
    )
    random_seed: Annotated[int, Schema(minimum=0)] | None = Field(
        default=None, description="Seed that makes answers repeatable."
    )


class OllamaConfig(KubeModel):
    """Settings of provider ollama."""

    num_ctx: PositiveInt | None = Field(
        default=None,
        description="Tokens of the window that the server gives the model. Not set: what the model's own parameters "
        "say, else the server's default, of which 4096 is taken for granted; status.model.contextWindow says it.",
    )
    keep_alive: Annotated[str, Schema(max_length=32, pattern=r"^(-1|0|[0-9]+(\.[0-9]+)?(ms|s|m|h))$")] | None = Field(
        default=None,
        description='How long the server keeps the model in memory after a call, such as "30m"; "-1" for ever. Not '
        "set: the server's default, 5 minutes.",
    )
    think: Literal["Off", "On", "Low", "Medium", "High"] | None = Field(
        default=None,
        description="Whether a model that can thinks before it answers; some models take a level instead. Not set: "
        "the server's default.",
    )
    random_seed: Annotated[int, Schema(minimum=0)] | None = Field(
        default=None, description="Seed that makes answers repeatable."
    )


class LLMPrices(KubeModel):
    """Prices of the model in US dollars for a million tokens, each a decimal number in quotes."""

    input_per_million: Dollars = Field(description="Of tokens that are sent.")
    output_per_million: Dollars = Field(description="Of tokens that the model writes.")
    cache_read_per_million: Dollars | None = Field(
        default=None, description="Of tokens that the provider reads from its prompt cache. Default: inputPerMillion."
    )
    cache_write_per_million: Dollars | None = Field(
        default=None, description="Of tokens that the provider writes to its prompt cache. Default: inputPerMillion."
    )


class RateLimit(KubeModel):
    """Limits of the provider's plan."""

    requests_per_minute: PositiveInt | None = Field(
        default=None, description="Most requests that start in any minute; a tenth of them may start at once."
    )
    tokens_per_minute: PositiveInt | None = Field(
        default=None,
        description="Most tokens in a minute on the average: before a call they are estimated from the size of the "
        "conversation, after it they are counted as the provider says.",
    )


class LLMSpec(KubeModel):
    """The model, the key to it, and how to use it."""

    crd_rules = (
        Rule(
            "has(self.apiKeyFrom) || (has(self.parameters) && has(self.parameters.baseUrl)) || "
            "self.provider in ['vertex', 'bedrock']",
            "apiKeyFrom is required, except where parameters.baseUrl names a server that needs no key, and for vertex "
            "and bedrock, where the manager may have an identity of its own",
            ".apiKeyFrom",
            is_missing=True,
        ),
        Rule("self.provider == 'openai' || !has(self.openai)", "openai may be set only for provider openai", ".openai"),
        Rule(
            "self.provider == 'anthropic' || !has(self.anthropic)",
            "anthropic may be set only for provider anthropic",
            ".anthropic",
        ),
        Rule(
            "self.provider == 'mistral' || !has(self.mistral)",
            "mistral may be set only for provider mistral",
            ".mistral",
        ),
        Rule("self.provider == 'google' || !has(self.google)", "google may be set only for provider google", ".google"),
        Rule("self.provider == 'ollama' || !has(self.ollama)", "ollama may be set only for provider ollama", ".ollama"),
        Rule(
            "(self.provider == 'vertex') == has(self.vertex)",
            "vertex must be set for provider vertex, and only for it",
            ".vertex",
        ),
        Rule(
            "(self.provider == 'bedrock') == has(self.bedrock)",
            "bedrock must be set for provider bedrock, and only for it",
            ".bedrock",
        ),
    )

    provider: LLMProvider = Field(description="Provider whose API is called.")
    api_key_from: SecretKeySource | None = Field(
        default=None,
        description="Secret that holds the API key, or the credentials of a cloud. May be left out where "
        "parameters.baseUrl needs no key, and where the manager has an identity of its own at the provider.",
    )
    parameters: LLMParameters = Field(
        default_factory=LLMParameters, description="Address and sampling settings of the model."
    )
    openai: OpenAIConfig | None = Field(default=None, description="Settings of provider openai.")
    anthropic: AnthropicConfig | None = Field(default=None, description="Settings of provider anthropic.")
    vertex: VertexConfig | None = Field(default=None, description="Settings of provider vertex.")
    mistral: MistralConfig | None = Field(default=None, description="Settings of provider mistral.")
    bedrock: BedrockConfig | None = Field(default=None, description="Settings of provider bedrock.")
    ollama: OllamaConfig | None = Field(default=None, description="Settings of provider ollama.")
    google: CloudConfig | None = Field(default=None, description="Settings of provider google.")
    validation: Annotated[Literal["Free", "None", "Call"], Schema(default="Free")] = Field(
        default="Free",
        description="How key and model are checked before the LLM is Ready. Free: by requests that cost nothing, such "
        "as for the list of models. None: not at all. Call: by a call for one token, which is billed.",
    )
    timeout_seconds: Annotated[int, Schema(minimum=1, maximum=86400)] | None = Field(
        default=None, description="Seconds that one model call may take."
    )
    max_concurrent_requests: Annotated[int, Schema(minimum=1, maximum=100_000)] | None = Field(
        default=None,
        description="Most model calls in flight at once through this LLM (default 100); further runs are queued.",
    )
    prices: LLMPrices | None = Field(
        default=None,
        description="Prices of the model, for the cost in status.usage and limits.maxCost of Agents. Default: the list "
        "prices of the provider, as this release has them; none for a server that is not the provider's own.",
    )
    rate_limit: RateLimit | None = Field(
        default=None,
        description="Limits of the provider's plan; runs wait in order while they are reached. After a 429 all calls "
        "wait for as long as the provider asks, whether this is set or not.",
    )
    fallbacks: Annotated[tuple[LocalObjectReference, ...], Schema(max_items=FALLBACKS_LIMIT)] = Field(
        default=(),
        description="LLMs of the same namespace that runs call, in this order, while this one cannot answer: its calls "
        "fail, its circuit is open, its account has no credit, its key is refused, its model is gone, or it is not "
        "Ready; where the conversation is too long, only one with a larger window. Never after a request that is "
        "wrong by itself. Each turn begins with this LLM. The fallbacks of a fallback do not count.",
    )


class ModelStatus(KubeModel):
    """What the provider says of the model."""

    display_name: ShortText | None = Field(default=None, description="Name of the model for people.")
    context_window: PositiveInt | None = Field(default=None, description="Most tokens that a request may have.")
    max_output_tokens: PositiveInt | None = Field(default=None, description="Most tokens that an answer may have.")
    lifecycle: ShortText | None = Field(
        default=None, description="The provider's word for the state of the model, such as active or deprecated."
    )
    retires_at: Time | None = Field(default=None, description="When the model can no longer be called.")


class LLMStatus(ReadinessStatus):
    """Whether the LLM can be used, and what is known of its model."""

    condition_types: ClassVar[Mapping[str, str]] = {
        **ReadinessStatus.condition_types,
        conditions.CIRCUIT_OPEN: "True while calls fail in a row: runs wait, and one call at a time tries the "
        "provider; the message says how the calls fail",
        conditions.FALLBACKS_READY: "True while every fallback can be used; the message names those that runs "
        "would pass over. The LLM itself is used either way",
        "ParametersIgnored": "True when fields of the spec have no effect; the message names them",
        "Unverified": "True when the LLM is used without a proof of its key and model; the message says what was tried",
        "ModelRetires": "True when the provider retires the model within 30 days, or calls it retired",
    }

    model: ModelStatus | None = Field(
        default=None, description="What the provider says of the model, where it describes its models."
    )


class LLM(StatusObject[LLMSpec, LLMStatus]):
    """A model of a provider, with the key to use it."""

    kind: str = "LLM"
    status: Annotated[LLMStatus, UNSEEN] = Field(default_factory=LLMStatus)

    @property
    def model_name(self) -> str:
        """The model's name at the provider: what the parameters say, else the name of this object."""
        return self.spec.parameters.model or self.metadata.name
