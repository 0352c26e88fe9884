"""The interface between the controllers and every model provider.

Controllers depend on `LLMClient` alone; `provider_client.ProviderClient` implements it, and `fake.FakeLLMClient` for
tests. Nothing about a provider's wire format belongs here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pydantic import SecretStr

from kubechain.api.message import Message
from kubechain.api.usage import Usage
from kubechain.llm.endpoints import ProviderEndpoint

DEFAULT_CHECK_TIMEOUT_SECONDS = 10.0


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
class Target:
    """Where a call goes and with what: one LLM object with its Secret resolved.

    Attributes:
        provider: As in the LLM's spec; finds the row of `providers.PROVIDERS`.
        model: The provider's name of the model (on Azure: of the deployment).
        endpoint: Address and authentication, made by the provider's row.
        api_key: None only where the endpoint needs none. Its repr is hidden.
        dialect: Name of the dialect among those of the provider's row; empty for the first.
        options: Settings that the provider's dialect made for itself; nothing else looks into them.
    """

    provider: str
    model: str
    endpoint: ProviderEndpoint
    api_key: SecretStr | None = None
    parameters: Parameters = field(default_factory=Parameters)
    dialect: str = ""
    options: object = None


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool as it is described to the model; `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cut:
    """Why the text of an answer is not whole.

    Attributes:
        reason: One word for conditions and events.
        message: What was cut, and what to do.
    """

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a model.

    Attributes:
        message: The assistant's turn: text, tool calls or both; never neither.
        usage: Tokens as the provider counts them (0 where it does not say), with `model_calls` 1.
        finish_reason: As the provider names it: `stop`, `tool_calls`, `length` (cut at the token limit), `refusal`…
        model: The model that answered, as the provider names it.
        cut: Why the text is not whole; None where it is.
        used_up_for_seconds: How long the provider takes no further call, where it said so with the answer.
    """

    message: Message
    usage: Usage
    finish_reason: str
    model: str
    cut: Cut | None = None
    used_up_for_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a provider says of a model; None for what it does not say.

    Attributes:
        context_window: Most tokens of a request, as far as the provider counts the answer apart.
        max_output_tokens: Most tokens of an answer.
        lifecycle: The provider's word for it, such as `deprecated`.
        retires_at: When the model can no longer be called.
    """

    display_name: str | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    lifecycle: str | None = None
    retires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider proved that it takes the key and has the model."""

    facts: ModelFacts | None = None


@dataclass(frozen=True, slots=True)
class Unverified:
    """The provider answers, and has no free request that proves the key or the model.

    Attributes:
        detail: What was tried.
    """

    detail: str
    facts: ModelFacts | None = None


Verdict = Accepted | Unverified
"""How a free check ends that does not refuse the LLM; a refusal is raised, as `Final`."""


class LLMClient(Protocol):
    """Talks to models. Makes each call once: the controllers decide when it is made again."""

    async def complete(
        self,
        target: Target,
        messages: Sequence[Message],
        tools: Sequence[ToolDefinition] = (),
        *,
        timeout_seconds: float,
        output_schema: Mapping[str, Any] | None = None,
    ) -> Completion:
        """Ask the model for the next turn of a conversation.

        Args:
            target: Which model, and how to reach it.
            messages: The conversation so far, oldest first.
            tools: What the model may call.
            timeout_seconds: Budget for the whole exchange.
            output_schema: JSON schema that the answer in text is to match; that it does is for the caller to check.

        Raises:
            Retryable: Another try may work.
            Final: It may not.
        """
        ...

    async def check(
        self, target: Target, *, is_billed: bool = False, timeout_seconds: float = DEFAULT_CHECK_TIMEOUT_SECONDS
    ) -> Verdict:
        """Find out whether the key and the model are accepted.

        Args:
            target: Which model, and how to reach it.
            is_billed: By a call for an answer of one token; else by requests that cost nothing.
            timeout_seconds: Budget of each request; a free check may need five.

        Raises:
            Retryable: Nothing was learned: keep the last verdict.
            Final: The LLM cannot be used as it is.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
