"""What a run records of each turn."""

from __future__ import annotations

from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.api.turnrecord import TURN_RECORDS_LIMIT, TurnRecord
from kubechain.api.usage import Usage
from kubechain.controllers.frame import next_version
from kubechain.controllers.taskrun import settle
from kubechain.controllers.taskrun.turnrecords import recorded
from test.controllers.builders import NOW, a_claim, a_run, an_answer, later

USAGE = Usage(input_tokens=10, output_tokens=5, total_tokens=15, model_calls=1, cost="0.25")


def a_claimed_run(turn: int = 0, records: tuple[TurnRecord, ...] = ()) -> TaskRun:
    phase = TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM
    return a_run(phase=phase, llm=a_claim(turn=turn), turn=turn, turn_records=records)


def test_a_turn_is_recorded_with_the_write_of_its_answer() -> None:
    [record] = next_version(
        a_claimed_run(), settle.answered(a_claimed_run(), an_answer(), later(2))
    ).status.turn_records
    assert (record.turn, record.started_at, record.ended_at) == (1, NOW, later(2))


def test_a_record_has_what_the_answered_call_spent() -> None:
    [record] = recorded(a_claimed_run(), USAGE, later(2))["turn_records"]
    assert (record.input_tokens, record.output_tokens, record.cost) == (10, 5, "0.25")


def test_a_price_that_is_not_known_is_not_recorded() -> None:
    [record] = recorded(a_claimed_run(), Usage(input_tokens=1), later(2))["turn_records"]
    assert "cost" not in record.to_wire()


def test_a_clock_that_went_back_makes_no_turn_shorter_than_nothing() -> None:
    [record] = recorded(a_claimed_run(), USAGE, later(-5))["turn_records"]
    assert record.ended_at == record.started_at


def test_of_a_long_run_the_newest_turns_are_kept() -> None:
    old = tuple(TurnRecord(turn=turn + 1, started_at=NOW, ended_at=NOW) for turn in range(TURN_RECORDS_LIMIT))
    found = recorded(a_claimed_run(TURN_RECORDS_LIMIT, old), USAGE, NOW)["turn_records"]
    assert [found[0].turn, found[-1].turn, len(found)] == [2, TURN_RECORDS_LIMIT + 1, TURN_RECORDS_LIMIT]
