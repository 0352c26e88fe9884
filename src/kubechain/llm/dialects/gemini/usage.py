"""The counts of a `GenerateContentResponse`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubechain.api.usage import COUNT_LIMIT, Usage
from kubechain.llm.dialects import tokens
from kubechain.llm.dialects.json_values import count


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Count tokens; thoughts, and results of the provider's own tools, are beside the others on the wire."""
    thought = count(usage.get("thoughtsTokenCount"))
    return tokens.usage(
        sent=min(count(usage.get("promptTokenCount")) + count(usage.get("toolUsePromptTokenCount")), COUNT_LIMIT),
        received=min(count(usage.get("candidatesTokenCount")) + thought, COUNT_LIMIT),
        total=count(usage.get("totalTokenCount")),
        cache_read=count(usage.get("cachedContentTokenCount")),
        thought=thought,
    )
