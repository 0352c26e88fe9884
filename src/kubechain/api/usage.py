"""Tokens, model calls and cost: of a run, of a tool call's runs, of a tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from kubechain.api.meta import KubeModel
from kubechain.api.schema import Schema

COUNT_LIMIT = 2**53 - 1
"""Largest number of tokens that is counted: readers of JSON agree on no larger integer."""

DAYS_LIMIT = 62
"""Of how many days a run knows what it spent on each: two months, since no period is longer than one."""

COST_LIMIT = Decimal(10**12)
"""Largest cost that is counted, in US dollars."""

_COST_UNIT = Decimal("0.000000001")

Count = Annotated[int, Schema(minimum=0, maximum=COUNT_LIMIT)]
DOLLARS_PATTERN = r"^[0-9]{1,13}(\.[0-9]{1,9})?$"
Dollars = Annotated[str, Schema(max_length=24, pattern=DOLLARS_PATTERN)]
"""An amount in US dollars, a decimal number in quotes such as "0.25"."""


class Usage(KubeModel):
    """Tokens, model calls and cost of a run so far."""

    input_tokens: Count = Field(default=0, description="Tokens sent to the model.")
    output_tokens: Count = Field(default=0, description="Tokens that the model wrote.")
    total_tokens: Count = Field(default=0, description="Tokens in all.")
    model_calls: Count = Field(
        default=0,
        description="Calls of the model that may be billed: answered ones, and those that failed at its server.",
    )
    cache_read_tokens: Count = Field(
        default=0, description="Of inputTokens, those that the provider read from its prompt cache."
    )
    cache_write_tokens: Count = Field(
        default=0, description="Of inputTokens, those that the provider wrote to its prompt cache."
    )
    reasoning_tokens: Count = Field(default=0, description="Of outputTokens, those that the model thought with.")
    cost: Dollars | None = Field(
        default=None, description="Cost in US dollars by the list prices, of the calls whose price is known."
    )
    unpriced_calls: Count = Field(
        default=0, description="Model calls whose price is not known, and which cost leaves out."
    )


class DayUsage(KubeModel):
    """What was spent by the model calls that began on one day."""

    day: Annotated[str, Schema(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10)] = Field(
        description="The day in UTC, such as 2026-11-29."
    )
    tokens: Count = Field(default=0, description="Tokens, in and out.")
    cost: Dollars | None = Field(default=None, description="Cost in US dollars, of the calls whose price is known.")


class Spending(Usage):
    """What runs have spent: tokens, model calls, cost, turns and tool calls."""

    turns: Count = Field(default=0, description="Turns that were processed.")
    tool_calls: Count = Field(default=0, description="Tool calls that were made.")


def total(parts: Iterable[Usage]) -> Spending:
    """The sum of what was spent; a `Usage` has no turns and no tool calls."""
    return Spending.model_validate(_sums(Spending, tuple(parts)))


def added(before: Usage | None, more: Usage) -> Usage:
    """The sum of two usages."""
    return Usage.model_validate(_sums(Usage, (before or Usage(), more)))


def dollars(amount: Decimal) -> str:
    """An amount as text: to a thousandth of a millionth, since a token costs about a millionth."""
    text = f"{min(amount, COST_LIMIT).quantize(_COST_UNIT):f}"
    return text.rstrip("0").rstrip(".")


_ALWAYS = frozenset({"input_tokens", "output_tokens", "total_tokens", "model_calls", "turns", "tool_calls"})
"""Of what only some providers count, there is nothing where it is 0."""


def _sums(kind: type[Usage], parts: Sequence[Usage]) -> dict[str, int | str]:
    counts = [name for name in kind.model_fields if name != "cost"]
    sums = {name: min(sum(getattr(part, name, 0) for part in parts), COUNT_LIMIT) for name in counts}
    costs = [Decimal(part.cost) for part in parts if part.cost is not None]
    kept = {name: count for name, count in sums.items() if count or name in _ALWAYS}
    return {**kept, **({"cost": dollars(sum(costs, Decimal()))} if costs else {})}
