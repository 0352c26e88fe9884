"""What a model call costs, by the provider's list prices. Pure.

The facts are those of the package genai-prices, which ships them as data; nothing is fetched. What an LLM says of its
own prices in `spec.prices` comes first. A model on a server that is not its provider's own has no list price.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

import genai_prices

from kubechain.api.llm import LLM, LLMPrices
from kubechain.api.usage import Usage, dollars
from kubechain.llm.errors import InvalidTarget
from kubechain.llm.providers import row_for

_MILLION = 1_000_000

_TABLES: Mapping[str, str] = MappingProxyType({"vertex": "google", "bedrock": "aws"})
"""Providers whose prices the package has under another name."""


def load() -> None:
    """Read the table now: the first model call would wait a quarter of a second for it."""
    genai_prices.calc_price(genai_prices.Usage(input_tokens=1), "gpt-4o", provider_id="openai")


def priced(llm: LLM, usage: Usage) -> Usage:
    """Return a usage with its cost; unchanged where no price is known."""
    cost = cost_of(llm, usage)
    return usage if cost is None else usage.with_changes(cost=dollars(cost))


def has_price(llm: LLM) -> bool:
    """Whether the calls of an LLM have a known price."""
    return cost_of(llm, Usage(input_tokens=1, output_tokens=1, total_tokens=2, model_calls=1)) is not None


def cost_of(llm: LLM, usage: Usage) -> Decimal | None:
    """Return the cost of a usage in US dollars; None where no price is known."""
    if llm.spec.prices is not None:
        return _by_own(llm.spec.prices, usage)
    provider, base_url = str(llm.spec.provider), llm.spec.parameters.base_url
    table = _TABLES.get(provider, provider) if base_url is None or _is_official(llm) else None
    if not _is_listed(llm.model_name, table, base_url):
        return None
    read = min(usage.cache_read_tokens, usage.input_tokens)
    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=read,
        cache_write_tokens=min(usage.cache_write_tokens, usage.input_tokens - read),
    )
    try:
        return _of_table(counted, llm.model_name, table, base_url)
    except (LookupError, ValueError):
        return None


@lru_cache(maxsize=256)
def _is_listed(model: str, table: str | None, base_url: str | None) -> bool:
    """Whether the package knows a model: it looks through all of its providers where it does not.

    Args:
        table: Name of the provider there; None where only the address tells.
    """
    try:
        _of_table(genai_prices.Usage(input_tokens=1), model, table, base_url)
    except LookupError:
        return False
    except ValueError:  # it depends on the usage
        return True
    return True


def _of_table(counted: genai_prices.Usage, model: str, table: str | None, base_url: str | None) -> Decimal:
    if table is not None:
        return genai_prices.calc_price(counted, model, provider_id=table).total_price
    return genai_prices.calc_price(counted, model, provider_api_url=base_url).total_price


def _is_official(llm: LLM) -> bool:
    try:
        return row_for(llm.spec.provider).endpoint(llm.spec).is_official
    except InvalidTarget:
        return False


def _by_own(prices: LLMPrices, usage: Usage) -> Decimal:
    """By the LLM's own prices; what it does not price by itself costs as much as other tokens of its direction."""
    sent, written = Decimal(prices.input_per_million), Decimal(prices.output_per_million)
    read = Decimal(prices.cache_read_per_million) if prices.cache_read_per_million else sent
    kept = Decimal(prices.cache_write_per_million) if prices.cache_write_per_million else sent
    plain = max(usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens, 0)
    parts = ((plain, sent), (usage.cache_read_tokens, read), (usage.cache_write_tokens, kept))
    return sum((tokens * price for tokens, price in (*parts, (usage.output_tokens, written))), Decimal()) / _MILLION
