"""The tokens of a `chat.completion`, as the families of servers count them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubechain.api.usage import COUNT_LIMIT, Usage
from kubechain.llm.dialects.json_values import count, mapping


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Count tokens; those from the cache and those of reasoning are parts of the others."""
    sent, received = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    total = count(usage.get("total_tokens")) or min(sent + received, COUNT_LIMIT)
    cached = count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
    sorts = {
        "cache_read_tokens": cached or count(usage.get("prompt_cache_hit_tokens")),  # OpenAI, DeepSeek
        "reasoning_tokens": count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    }
    return Usage(
        input_tokens=sent,
        output_tokens=received,
        total_tokens=total,
        model_calls=1,
        **{name: tokens for name, tokens in sorts.items() if tokens},
    )
