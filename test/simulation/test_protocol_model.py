"""The claim protocol, proved by exhaustion: nothing that can happen breaks it, and each part of it is needed."""

from __future__ import annotations

import pytest

from test.simulation.protocol import Protocol, explore

TOOL_CALL = Protocol()
"""A call that is not safe to repeat."""

MODEL_TURN = Protocol(repeats=True, faults=2)
"""A turn of a TaskRun: asked again when its holder is taken for dead, answered once."""


def test_an_unsafe_call_is_executed_at_most_once_and_always_ends() -> None:
    explored = explore(TOOL_CALL)
    assert explored.states > 1_000
    assert (explored.executions_max, explored.answers_max) == (1, 1)
    assert not explored.has_traps
    assert explored.wrong is None


def test_a_turn_may_be_asked_twice_but_is_answered_once_by_whose_claim_counts() -> None:
    explored = explore(MODEL_TURN)
    assert explored.executions_max == 2
    assert explored.answers_max == 1
    assert not explored.has_traps
    assert explored.wrong is None


def test_execute_then_record_repeats_the_call() -> None:
    explored = explore(Protocol(claims=False, faults=1))
    assert explored.executions_max > 1


@pytest.mark.parametrize(
    "protocol", [Protocol(is_conditional=False, faults=1), Protocol(is_conditional=False, repeats=True, faults=1)]
)
def test_overwriting_the_latest_version_breaks_the_promise(protocol: Protocol) -> None:
    explored = explore(protocol)
    assert explored.executions_max > 2 or explored.answers_max > 1 or explored.wrong is not None


def test_a_record_without_a_look_at_the_token_lets_an_answer_count_whose_claim_does_not() -> None:
    explored = explore(Protocol(checks_token=False, repeats=True, faults=1))
    assert explored.wrong is not None
