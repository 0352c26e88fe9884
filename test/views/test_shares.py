"""Who spends what."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.views.shares import shares
from test.views.builders import a_run


def used(tokens: int, cost: str | None = None) -> dict[str, Any]:
    return {"totalTokens": tokens, "modelCalls": 1} | ({} if cost is None else {"cost": cost})


RUNS = [
    a_run("a", phase="FinalAnswer", turn=2, usage=used(10, "0.5")),
    a_run("b", phase="Failed", turn=1, usage=used(5)),
    a_run("c", phase="Cancelled", pinned={"agentName": "other", "llmName": "gpt"}, usage=used(100)),
    a_run("d"),
]


def test_those_that_spent_most_come_first() -> None:
    helper, other = shares(RUNS, "agent")
    assert (helper.name, helper.open, helper.answered, helper.failed, helper.cancelled) == ("helper", 1, 1, 1, 0)
    assert (helper.spent.total_tokens, helper.spent.turns, helper.spent.cost) == (15, 3, "0.5")
    assert (other.name, other.cancelled, other.spent.cost) == ("other", 1, None)


@pytest.mark.parametrize(("by", "names"), [("llm", ["gpt", "-"]), ("namespace", ["default"])])
def test_runs_are_summed_up_by(by: str, names: list[str]) -> None:
    assert [share.name for share in shares(RUNS, by)] == names
