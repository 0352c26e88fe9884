"""What a model call costs: list prices, an LLM's own, and none."""

from __future__ import annotations

from decimal import Decimal

import genai_prices
import pytest

from kubechain.api.llm import LLM
from kubechain.api.usage import Spending, Usage, added, total
from kubechain.llm import prices

A_MILLION = Usage(input_tokens=1_000_000, output_tokens=100_000, total_tokens=1_100_000, model_calls=1)


def an_llm(**spec: object) -> LLM:
    return LLM.from_wire({"metadata": {"name": "model"}, "spec": {"provider": "openai", **spec}})


OWN = {"inputPerMillion": "2", "outputPerMillion": "10", "cacheReadPerMillion": "0.5"}


@pytest.mark.parametrize(
    ("spec", "cost"),
    [
        pytest.param({"parameters": {"model": "gpt-4o"}}, "3.5", id="the provider's list price"),
        pytest.param({"provider": "anthropic", "parameters": {"model": "claude-haiku-4-5"}}, "1.5", id="anthropic"),
        pytest.param(
            {"parameters": {"model": "gpt-4o", "baseUrl": "https://eu.api.openai.com/v1"}}, "3.5", id="its other host"
        ),
        pytest.param({"parameters": {"model": "of-nobody"}}, None, id="a model that nobody knows"),
        pytest.param(
            {"parameters": {"model": "gpt-4o", "baseUrl": "http://127.0.0.1:1/v1"}}, None, id="a server of one's own"
        ),
        pytest.param({"parameters": {"model": "gpt-4o"}, "prices": OWN}, "3", id="the LLM's own prices come first"),
        pytest.param(
            {"parameters": {"model": "of-nobody", "baseUrl": "http://127.0.0.1:1/v1"}, "prices": OWN},
            "3",
            id="own prices of a server of one's own",
        ),
    ],
)
def test_the_cost_of_a_million_tokens_and_a_tenth_of_it_back(spec: dict[str, object], cost: str | None) -> None:
    assert prices.cost_of(an_llm(**spec), A_MILLION) == (Decimal(cost) if cost else None)
    assert prices.has_price(an_llm(**spec)) == (cost is not None)


def test_tokens_of_the_cache_have_a_price_of_their_own() -> None:
    cached = A_MILLION.with_changes(cache_read_tokens=400_000, cache_write_tokens=100_000)
    assert prices.cost_of(an_llm(prices=OWN), cached) == Decimal("2.4")
    listed = prices.cost_of(an_llm(parameters={"model": "gpt-4o"}), cached)
    assert listed is not None
    assert listed < Decimal("3.5")


def test_counts_that_contradict_each_other_still_have_a_cost() -> None:
    odd = Usage(input_tokens=10, output_tokens=1, total_tokens=11, model_calls=1, cache_read_tokens=50)
    assert prices.priced(an_llm(parameters={"model": "gpt-4o"}), odd).cost is not None


def test_a_usage_without_a_price_is_left_as_it_is() -> None:
    assert prices.priced(an_llm(parameters={"model": "of-nobody"}), A_MILLION) is A_MILLION


def test_the_cost_of_a_single_token_is_not_lost() -> None:
    usage = Usage(input_tokens=1, output_tokens=0, total_tokens=1, model_calls=1)
    cheap = {"inputPerMillion": "0.1", "outputPerMillion": "0.4"}
    cost = prices.priced(an_llm(prices=cheap), usage).cost
    assert cost == "0.0000001"


def test_costs_add_up_and_what_has_none_adds_nothing() -> None:
    some = Usage(input_tokens=1, total_tokens=1, model_calls=1, cost="0.25")
    none = Usage(input_tokens=1, total_tokens=1, model_calls=1)
    assert added(None, none).cost is None
    assert added(some, none).cost == "0.25"
    assert total([some, none, Spending(cost="1", turns=2)]).cost == "1.25"


def test_a_model_that_nobody_knows_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def calc_price(usage: object, model: str, **where: str) -> None:
        del usage, where
        asked.append(model)
        raise LookupError(model)

    monkeypatch.setattr(genai_prices, "calc_price", calc_price)
    llm = an_llm(parameters={"model": "of-nobody-at-all", "baseUrl": "http://127.0.0.1:1/v1"})
    assert [prices.cost_of(llm, A_MILLION) for _ in range(3)] == [None] * 3
    assert asked == ["of-nobody-at-all"]
