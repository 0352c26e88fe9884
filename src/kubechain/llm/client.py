"""The seam between the controllers and every model provider: what goes in, what comes out, who does it.

Controllers depend on `LLMClient` alone; `provider_client.ProviderClient` is the real one and `fake.FakeLLMClient` the
one for tests. Nothing about a provider's wire format belongs here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pydantic import SecretStr

from kubechain.api.message import Message
from kubechain.api.taskrun import Usage

DEFAULT_CHECK_TIMEOUT_SECONDS = 10.0


class APIType(StrEnum):
    """How OpenAI's API is hosted; values as in an LLM's `spec.openai.apiType`."""

    OPEN_AI = "OPEN_AI"
    AZURE = "AZURE"
    AZURE_AD = "AZURE_AD"


@dataclass(frozen=True, slots=True)
class Parameters:
    """Sampling settings. None means: not sent, the provider's own default holds."""

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


@dataclass(frozen=True, slots=True)
class OpenAIOptions:
    """Settings of OpenAI itself and of Azure's hosting of it."""

    organization: str | None = None
    api_type: APIType = APIType.OPEN_AI
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class MistralOptions:
    """Settings that only Mistral has."""

    random_seed: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes and with what: one LLM object with its Secret resolved.

    Attributes:
        provider: `openai`, `mistral`, … as in the LLM's spec.
        model: The provider's name of the model (on Azure: of the deployment).
        base_url: The LLM's `parameters.baseUrl`; None means the provider's own address.
        api_key: None only where the server at `base_url` needs none. Its repr is hidden.
    """

    provider: str
    model: str
    base_url: str | None = None
    api_key: SecretStr | None = None
    parameters: Parameters = field(default_factory=Parameters)
    openai: OpenAIOptions = field(default_factory=OpenAIOptions)
    mistral: MistralOptions = field(default_factory=MistralOptions)


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool as the model is told of it; `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a model.

    Attributes:
        message: The assistant's turn: text, tool calls or both; never neither.
        usage: Tokens as the provider counts them (0 where it does not say), with `model_calls` 1.
        finish_reason: The provider's word: `stop`, `tool_calls`, `length` (cut at the token limit), `refusal`…
        model: The model that answered, as the provider names it.
    """

    message: Message
    usage: Usage
    finish_reason: str
    model: str


class LLMClient(Protocol):
    """Talks to models. Makes each call once: when to try again is the controllers' decision."""

    async def complete(
        self,
        target: Target,
        messages: Sequence[Message],
        tools: Sequence[ToolDefinition] = (),
        *,
        timeout_seconds: float,
    ) -> Completion:
        """Ask the model for the next turn of a conversation.

        Args:
            target: Which model, and how to reach it.
            messages: The conversation so far, oldest first.
            tools: What the model may call.
            timeout_seconds: Budget for the whole exchange.

        Raises:
            Retryable: Another try may work.
            Final: It may not.
        """
        ...

    async def check(self, target: Target, *, timeout_seconds: float = DEFAULT_CHECK_TIMEOUT_SECONDS) -> None:
        """Find out by a request that costs nothing whether the key and the model are accepted.

        Args:
            target: Which model, and how to reach it.
            timeout_seconds: Budget of each request; there are two where a server describes no single models.

        Raises:
            Retryable: Nothing was learned: keep the last verdict.
            Final: The LLM cannot be used as it is.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
