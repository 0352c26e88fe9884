"""What differs between the places that serve Anthropic's Messages API, and the settings of one LLM."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.llm import LLM
from kubechain.llm.client import Target
from kubechain.llm.dialects.dialect import own_options
from kubechain.llm.dialects.streaming import StreamMode
from kubechain.llm.endpoints import MESSAGES
from kubechain.llm.errors import InvalidTarget

TAKEN_SETTINGS = frozenset(
    {
        "parameters.temperature",
        "parameters.maxTokens",
        "parameters.topP",
        "parameters.topK",
        "parameters.stream",
    }
)
"""Fields of an LLM's spec that are sent. The API has no penalties."""

DEFAULT_MAX_TOKENS = 16_384
"""The API wants a limit in each request. So many tokens, thinking included, come in less than ten minutes, which is
what Anthropic answers without a stream; a model that may write less gets its own limit."""

STREAM_ABOVE_TOKENS = 21_333
"""128,000 tokens take an hour by Anthropic's own estimate; what may take more than ten minutes has to be a stream."""

MAX_TEMPERATURE = 1.0


@dataclass(frozen=True, slots=True)
class Form:
    """How a place that serves the API wants its requests.

    Attributes:
        operation: Path of the operation below the base URL.
        stream_operation: The same for an answer that is streamed.
        version_in_body: Value of `anthropic_version` in the body; None where a header carries the version.
        has_model_in_body: Whether the model is named in the body; else it stands in the path.
        describes_models: Whether there is `GET models/{id}`.
    """

    operation: str = MESSAGES
    stream_operation: str = MESSAGES
    version_in_body: str | None = None
    has_model_in_body: bool = True
    describes_models: bool = True


ON_VERTEX = Form(
    stream_operation=f"{MESSAGES}:streamRawPredict",
    version_in_body="vertex-2023-10-16",  # or a newer one, as the row decides
    has_model_in_body=False,
    describes_models=False,
)
PLAIN = Form()
"""Anthropic itself, and every server that has `v1/messages`."""


@dataclass(frozen=True, slots=True)
class MessagesOptions:
    """The dialect's settings for one LLM: what `Target.options` holds.

    Attributes:
        default_max_tokens: Sent where the LLM sets no `parameters.maxTokens`.
    """

    form: Form = PLAIN
    stream: StreamMode | None = None
    default_max_tokens: int = DEFAULT_MAX_TOKENS


def options_for(llm: LLM, form: Form) -> MessagesOptions:
    """Return the settings of an LLM.

    Raises:
        InvalidTarget: A parameter is out of the range that the API takes.
    """
    temperature = llm.spec.parameters.temperature
    if temperature is not None and float(temperature) > MAX_TEMPERATURE:
        raise InvalidTarget(f'parameters.temperature: "{temperature}": Anthropic takes numbers from 0 to 1')
    known = llm.status.model.max_output_tokens if llm.status.model else None
    limit = min(known or DEFAULT_MAX_TOKENS, DEFAULT_MAX_TOKENS)
    return MessagesOptions(form=form, stream=llm.spec.parameters.stream, default_max_tokens=limit)


def options_of(target: Target) -> MessagesOptions:
    """Return the options that this dialect made for a target.

    Raises:
        TypeError: Another dialect made them: the rows of providers are wired wrongly.
    """
    return own_options(target, MessagesOptions)


def max_tokens_of(target: Target) -> int:
    """Return the limit of tokens that is sent."""
    return target.parameters.max_tokens or options_of(target).default_max_tokens
