"""Whose claim of a model call counts."""

from __future__ import annotations

from kubechain.api.taskrun import TaskRunPhase
from kubechain.controllers.taskrun.claims import holds, token
from test.controllers.builders import RUN_UID, a_claim, a_run

P = TaskRunPhase


def test_a_claim_counts_only_for_its_own_token_and_holder() -> None:
    claim = a_claim()
    run = a_run(phase=P.SEND_CONTEXT_WINDOW_TO_LLM, llm=claim)
    assert holds(run, claim)
    assert not holds(run, a_claim(attempt=1))
    assert not holds(run, a_claim(holder="pod-b_other"))
    assert not holds(run.with_status(phase=P.FINAL_ANSWER), claim)


def test_tokens_are_the_same_for_the_same_attempt_and_differ_between_attempts() -> None:
    assert token(RUN_UID, 0, 0) == token(RUN_UID, 0, 0)
    assert len({token(RUN_UID, turn, attempt) for turn in range(10) for attempt in range(10)}) == 100
