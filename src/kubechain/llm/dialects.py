"""Which provider speaks which dialect. The place where a new one is entered.

Used by `provider_client`. A dialect itself is a module of its own that satisfies `exchange.Dialect`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kubechain.llm.errors import InvalidTarget
from kubechain.llm.exchange import Dialect
from kubechain.llm.openai import OpenAIChat

_OPENAI_CHAT = OpenAIChat()

DIALECTS: Mapping[str, Dialect] = MappingProxyType({"openai": _OPENAI_CHAT, "mistral": _OPENAI_CHAT})


def dialect_for(provider: str) -> Dialect:
    """Find a provider's dialect.

    Raises:
        InvalidTarget: This release does not speak to the provider.
    """
    if (dialect := DIALECTS.get(provider)) is None:
        raise InvalidTarget(f'provider not supported by this release: "{provider}"')
    return dialect
