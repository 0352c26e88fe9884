"""The tokens of a `chat.completion`, as the families of servers count them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubechain.api.usage import Usage
from kubechain.llm.dialects import tokens
from kubechain.llm.dialects.json_values import count, mapping


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Count tokens; those from the cache and those of reasoning are parts of the others."""
    sent, received = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    cached = count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
    return tokens.usage(
        sent=sent,
        received=received,
        total=count(usage.get("total_tokens")),
        cache_read=cached or count(usage.get("prompt_cache_hit_tokens")),  # OpenAI, DeepSeek
        thought=count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )
