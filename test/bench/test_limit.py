"""The plain client makes the writes that a run was seen to make, in its order, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import hello, limit, tools

PHASES = ("ReadyForLLM", "SendContextWindowToLLM", "FinalAnswer")


def versions() -> list[dict[str, Any]]:
    run = {"kind": "TaskRun", "metadata": {"name": "planned", "uid": "u"}, "spec": {"userMessage": "Hello?"}}
    return [run, *({**run, "status": {"phase": phase}} for phase in PHASES)]


def event(reason: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "planned.1", "uid": "e", "managedFields": []}
    return {"metadata": metadata, "reason": reason, "regarding": {"name": "planned"}, "deprecatedCount": 1}


def test_the_plan_is_what_was_seen_and_survives_its_file(tmp_path: Path) -> None:
    plan = limit.plan_of(versions(), [event("ValidationSucceeded"), event("LLMFinalAnswer")])
    assert plan.run == {"kind": "TaskRun", "metadata": {}, "spec": {"userMessage": "Hello?"}}
    assert [status["phase"] for status in plan.statuses] == list(PHASES)
    assert plan.events[1] == {"reason": "LLMFinalAnswer", "regarding": {"name": "planned"}}
    assert plan.writes == 6
    plan.dump(tmp_path / "plan.json")
    assert limit.load(tmp_path / "plan.json") == plan


def test_the_model_is_waited_for_between_the_claim_and_the_answer_only() -> None:
    plan = limit.plan_of(versions(), [])
    assert [plan.waits_before(idx) for idx in range(3)] == [False, False, True]


def test_the_version_is_that_of_the_object_and_not_of_what_its_status_names() -> None:
    body = {"metadata": {"resourceVersion": "7", "uid": "own"}, "status": {"pinned": {"uid": "other"}}}
    for separators in ((",", ":"), (", ", ": ")):
        found = limit.identity(json.dumps(body, separators=separators).encode())
        assert found == {"resourceVersion": "7", "uid": "own"}


@pytest.mark.parametrize("arguments", [hello.arguments, tools.arguments], ids=["hello", "tools"])
def test_the_defaults_are_those_that_the_page_names(arguments: Any) -> None:
    assert arguments().parse_args([]).servers == "embedded,real"
