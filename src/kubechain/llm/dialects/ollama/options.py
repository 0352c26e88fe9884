"""The settings of an LLM of Ollama."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kubechain.api.llm import LLM, OllamaConfig
from kubechain.llm.dialects.streaming import StreamMode

TAKEN_SETTINGS = frozenset(
    {
        "parameters.temperature",
        "parameters.maxTokens",
        "parameters.topP",
        "parameters.topK",
        "parameters.frequencyPenalty",
        "parameters.presencePenalty",
        "parameters.stream",
        "ollama.numCtx",
        "ollama.keepAlive",
        "ollama.think",
        "ollama.randomSeed",
    }
)
"""Fields of an LLM's spec that are sent."""

_THINK: Mapping[str, bool | str] = MappingProxyType(
    {"Off": False, "On": True, "Low": "low", "Medium": "medium", "High": "high"}
)


@dataclass(frozen=True, slots=True)
class OllamaOptions:
    """The dialect's settings for one LLM: what `Target.options` holds; None is not sent.

    Attributes:
        num_ctx: Tokens of the window.
        keep_alive: A duration as the server reads it, or a number of seconds; below 0 for ever.
        think: Whether the model thinks, or how much.
    """

    num_ctx: int | None = None
    keep_alive: str | int | None = None
    think: bool | str | None = None
    random_seed: int | None = None
    stream: StreamMode | None = None


def options_for(llm: LLM) -> OllamaOptions:
    """Return the settings of an LLM."""
    config = llm.spec.ollama or OllamaConfig()
    return OllamaOptions(
        num_ctx=config.num_ctx,
        keep_alive=_keep_alive(config.keep_alive),
        think=_THINK[config.think] if config.think else None,
        random_seed=config.random_seed,
        stream=llm.spec.parameters.stream,
    )


def _keep_alive(given: str | None) -> str | int | None:
    """The server takes a number without a unit only as a number."""
    return int(given) if given and re.fullmatch(r"-?[0-9]+", given, re.ASCII) else given
