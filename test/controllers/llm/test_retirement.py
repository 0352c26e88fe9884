"""What the provider says of a model: in the status, and in time before it retires the model."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kubechain.api.conditions import find_condition, is_true
from kubechain.controllers.frame import next_version
from kubechain.controllers.llm.outcomes import Outcome, Unverified, Verified
from kubechain.controllers.llm.retirement import MODEL_RETIRES, NOTICE, seconds_until_news
from kubechain.controllers.llm.settle import settle
from kubechain.llm.client import ModelFacts
from test.controllers.builders import NOW, an_llm

LLM = an_llm(status=None)
DAY = timedelta(days=1)
FACTS = ModelFacts("Claude Opus 5", 1_000_000, 128_000, "active")


@pytest.mark.parametrize("outcome", [Verified(FACTS), Unverified("accepts any key", FACTS)])
def test_the_facts_are_in_the_status(outcome: Outcome) -> None:
    settled = settle(LLM, outcome, attempt=1, now=NOW)
    status = next_version(LLM, settled).status
    assert status.to_wire()["model"] == {
        "displayName": "Claude Opus 5",
        "contextWindow": 1_000_000,
        "maxOutputTokens": 128_000,
        "lifecycle": "active",
    }
    assert find_condition(status.conditions, MODEL_RETIRES) is None
    assert settled.requeue_after_seconds is None


def test_what_is_no_longer_known_is_taken_away() -> None:
    before = next_version(LLM, settle(LLM, Verified(FACTS), attempt=1, now=NOW))
    after = next_version(before, settle(before, Verified(), attempt=1, now=NOW))
    assert "model" not in after.status.to_wire()


def test_a_model_that_retires_later_is_looked_at_again_when_the_warning_is_due() -> None:
    later = replace(FACTS, lifecycle="deprecated", retires_at=NOW + NOTICE + DAY)
    settled = settle(LLM, Verified(later), attempt=1, now=NOW)
    assert settled.requeue_after_seconds == DAY.total_seconds()
    assert [event.type for event in settled.events] == ["Normal"]

    due = NOW + DAY
    before = next_version(LLM, settled)
    settled = settle(before, Verified(later), attempt=1, now=due)
    after = next_version(before, settled)
    message = 'the provider retires the model "gpt-4o" at 2026-12-30T12:00:00Z: name another in parameters.model'
    message = message.replace("2026-12-30T12:00:00Z", f"{later.retires_at:%Y-%m-%dT%H:%M:%SZ}")
    assert [(event.type, event.reason, event.message) for event in settled.events] == [
        ("Warning", "ModelRetiresSoon", message)
    ]
    condition = find_condition(after.status.conditions, MODEL_RETIRES)
    assert condition is not None
    assert (condition.status, condition.message) == ("True", message)
    assert after.status.ready
    assert settled.requeue_after_seconds == NOTICE.total_seconds()
    assert settle(after, Verified(later), attempt=1, now=due + DAY).events == ()


def test_a_retirement_that_is_put_off_takes_the_warning_back() -> None:
    soon = replace(FACTS, retires_at=NOW + DAY)
    before = next_version(LLM, settle(LLM, Verified(soon), attempt=1, now=NOW))
    assert is_true(before.status.conditions, MODEL_RETIRES)
    after = next_version(before, settle(before, Verified(FACTS), attempt=1, now=NOW))
    assert not is_true(after.status.conditions, MODEL_RETIRES)


@pytest.mark.parametrize(
    ("facts", "wait"),
    [
        (None, None),
        (FACTS, None),
        (replace(FACTS, retires_at=NOW + NOTICE + 2 * DAY), 2 * DAY),
        (replace(FACTS, retires_at=NOW + 2 * DAY), 2 * DAY),
        (replace(FACTS, retires_at=NOW - DAY), None),
    ],
    ids=["unknown", "no date", "before the notice", "within the notice", "overdue"],
)
def test_when_there_is_news(facts: ModelFacts | None, wait: timedelta | None) -> None:
    assert seconds_until_news(facts, NOW) == (wait.total_seconds() if wait else None)


def test_a_retired_model_is_said_to_be_retired() -> None:
    settled = settle(LLM, Verified(replace(FACTS, lifecycle="retired")), attempt=1, now=NOW)
    assert 'has retired the model "gpt-4o"' in settled.events[-1].message
