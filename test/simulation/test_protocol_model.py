"""The claim protocol, proved by exhaustion: nothing that can happen breaks it, and each part of it is needed."""

from __future__ import annotations

import pytest

from test.simulation import turns
from test.simulation.protocol import Protocol, explore
from test.simulation.turns import Turns

TOOL_CALL = Protocol()
"""A call that is not safe to repeat."""

MODEL_TURN = Protocol(repeats=True, faults=2)
"""A turn of a TaskRun: asked again when its holder is taken for dead, answered once."""

PURE_BUILTIN = Protocol(claims=False, is_pure=True)
"""A call of a pure function: its result is recorded without a claim, in one write."""


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


@pytest.mark.parametrize(
    "protocol", [Protocol(is_conditional=False, faults=1), Protocol(is_conditional=False, repeats=True, faults=1)]
)
def test_overwriting_the_latest_version_breaks_the_promise(protocol: Protocol) -> None:
    explored = explore(protocol)
    assert explored.executions_max > 2 or explored.answers_max > 1 or explored.wrong is not None


def test_a_record_without_a_look_at_the_token_lets_an_answer_count_whose_claim_does_not() -> None:
    explored = explore(Protocol(checks_token=False, repeats=True, faults=1))
    assert explored.wrong is not None


def test_a_pure_function_needs_no_claim_for_its_result_to_be_recorded_once() -> None:
    explored = explore(PURE_BUILTIN)
    assert explored.states > 100
    assert explored.answers_max == 1
    assert not explored.has_traps
    assert explored.wrong is None


def test_a_pure_function_whose_result_overwrites_what_is_recorded_changes_an_end() -> None:
    assert explore(Protocol(claims=False, is_pure=True, is_conditional=False, faults=1)).wrong is not None


def test_a_call_that_acts_outside_and_is_recorded_as_a_pure_function_is_repeats_its_effect() -> None:
    assert explore(Protocol(claims=False, faults=1)).executions_max > 1


@pytest.mark.parametrize(
    "model",
    [Turns(), Turns(is_cancelled=True, faults=0)],
    ids=["with lost writes, lost replies, late writes and deaths", "with a cancel at any moment"],
)
def test_record_and_claim_in_one_write_or_alone_give_one_conversation_in_order(model: Turns) -> None:
    visited = turns.explore(model)
    assert len(visited.states) > 5_000
    assert not visited.has_traps
    assert visited.wrong is None
    done = [state.obj for state in visited.states if state.obj.phase == "D"]
    assert {tuple((entry.turn, entry.speaker) for entry in run.window) for run in done} == {
        ((0, "M"), (0, "T"), (1, "M"))
    }
    assert min(run.version for run in done) == 4, "two writes a turn: record with claim, answer"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(Turns(pins=False), id="a claim without its pin"),
        pytest.param(Turns(claims=False), id="the model is asked after the record alone"),
        pytest.param(Turns(waits=False), id="the model is asked before the merged write is confirmed"),
        pytest.param(Turns(moves_on=False), id="the claim is that of the turn before the record"),
        pytest.param(Turns(is_conditional=False), id="the merged write overwrites"),
        pytest.param(Turns(checks_token=False), id="an answer counts whatever its token"),
        pytest.param(Turns(sees_cancel=False, is_cancelled=True, faults=0), id="the second decision sees no cancel"),
    ],
)
def test_a_merged_write_that_lacks_a_part_breaks_the_promise(broken: Turns) -> None:
    assert turns.explore(broken).wrong is not None
