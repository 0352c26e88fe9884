"""What differs between the families of servers that speak the openai-chat dialect, as data."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.llm.client import Target
from kubechain.llm.dialects.dialect import own_options
from kubechain.llm.dialects.streaming import StreamMode

_SETTINGS = frozenset(
    {
        "parameters.temperature",
        "parameters.maxTokens",
        "parameters.topP",
        "parameters.frequencyPenalty",
        "parameters.presencePenalty",
        "parameters.stream",
    }
)
"""Fields of an LLM's spec that every family takes."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """What a family of servers does in its own way.

    Attributes:
        token_limit_field: Name of the field that limits the answer's tokens.
        knows_top_k: Whether `top_k` is sent. OpenAI's own API refuses it.
        knows_random_seed: Whether `random_seed` is sent.
        has_short_call_ids: Whether tool-call ids must be nine letters or digits (Mistral).
        knows_stream_options: Whether a stream tells its usage only when asked to. Mistral refuses the question.
        wants_schema_in_words: Whether the schema of an answer is told in words beside its field: many servers hold
            the model to it by a grammar, and do not tell it what is wanted.
        describes_models: Whether `GET models/{id}` proves a model. Azure has only a list, which proves the key.
    """

    token_limit_field: str
    knows_top_k: bool = False
    knows_random_seed: bool = False
    has_short_call_ids: bool = False
    describes_models: bool = True
    knows_stream_options: bool = True
    wants_schema_in_words: bool = False


OPENAI = Flavour(token_limit_field="max_completion_tokens")  # noqa: S106 no password
COMPATIBLE = Flavour(token_limit_field="max_tokens", knows_top_k=True, wants_schema_in_words=True)  # noqa: S106
MISTRAL = Flavour(
    token_limit_field="max_tokens",  # noqa: S106
    knows_random_seed=True,
    has_short_call_ids=True,
    knows_stream_options=False,
)
AZURE = Flavour(token_limit_field="max_completion_tokens", describes_models=False)  # noqa: S106
BEDROCK = Flavour(token_limit_field="max_completion_tokens")  # noqa: S106
OLDER_AZURE = Flavour(token_limit_field="max_tokens", describes_models=False)  # noqa: S106


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """The dialect's settings for one LLM: what `Target.options` holds.

    Attributes:
        max_tokens_field: Takes the place of the flavour's; None leaves it.
    """

    flavour: Flavour
    random_seed: int | None = None
    max_tokens_field: str | None = None
    stream: StreamMode | None = None

    @property
    def token_limit_field(self) -> str:
        """Name of the field that limits the answer's tokens."""
        return self.max_tokens_field or self.flavour.token_limit_field

    def taken_settings(self) -> frozenset[str]:
        """Return the fields of an LLM's spec that are sent."""
        extra = {"parameters.topK": self.flavour.knows_top_k, "mistral.randomSeed": self.flavour.knows_random_seed}
        return _SETTINGS | {name for name, is_taken in extra.items() if is_taken}


def options_of(target: Target) -> ChatOptions:
    """Return the options that this dialect made for a target.

    Raises:
        TypeError: Another dialect made them: the rows of providers are wired wrongly.
    """
    return own_options(target, ChatOptions)
