"""Versions of Anthropic's API, where it is Anthropic's own or a cloud's: which one an LLM is called with. Pure."""

from __future__ import annotations

from kubechain.api.llm import LLMSpec

NEWEST = "2026-10-21"
"""Newest version of the API; it knows no sampling parameters."""

WITH_SAMPLING = "2023-06-01"
"""Version for an LLM with sampling parameters, which older models take, and for servers that are not Anthropic's."""

WITH_SAMPLING_ON_VERTEX = "vertex-2023-10-16"
"""The same on Vertex AI, where the version stands in the body."""


def version_of(spec: LLMSpec, *, with_sampling: str = WITH_SAMPLING) -> str:
    """Return the version for an LLM at Anthropic or at a cloud that hosts its models.

    Args:
        with_sampling: The one that is taken for an LLM with sampling parameters.
    """
    given = spec.parameters
    has_sampling = any(value is not None for value in (given.temperature, given.top_p, given.top_k))
    return with_sampling if has_sampling else NEWEST
