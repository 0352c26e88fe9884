"""Whose claim of a tool call counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from kubechain.api.humanrequest import HumanRequestType
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskruntoolcall import (
    Execution,
    HumanInput,
    TaskRunToolCall,
    TaskRunToolCallSpec,
    ToolCallPhase,
)
from kubechain.api.tool import ToolSemantics
from kubechain.controllers.toolcall.claims import execution_for, holds, is_asked_about
from test.controllers.builders import ME, NOW, meta

CALL = TaskRunToolCall(
    metadata=meta("hello-1-t0-c0"),
    spec=TaskRunToolCallSpec(
        tool_call_id="call_1",
        task_run_ref=LocalObjectReference(name="hello-1"),
        tool_ref=LocalObjectReference(name="add"),
        arguments="{}",
    ),
)


def an_execution(*, attempt: int = 0, holder: str = ME) -> Execution:
    return execution_for(
        CALL, attempt=attempt, holder=holder, semantics=ToolSemantics.IDEMPOTENT, now=NOW, timeout_seconds=60
    )


@dataclass(frozen=True)
class Case:
    """A call as it is stored now, beside the claim `an_execution()` of a process that wants to write its outcome."""

    phase: ToolCallPhase
    execution: Execution | None
    holds: bool


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(ToolCallPhase.RUNNING, an_execution(), True), id="the claim is the stored one"),
        pytest.param(Case(ToolCallPhase.RUNNING, None, False), id="nobody has claimed the call"),
        pytest.param(
            Case(ToolCallPhase.RUNNING, an_execution(attempt=1), False), id="the same process has begun a later attempt"
        ),
        pytest.param(
            Case(ToolCallPhase.RUNNING, an_execution(holder="pod-b_other"), False),
            id="another process has taken it over",
        ),
        pytest.param(Case(ToolCallPhase.SUCCEEDED, an_execution(), False), id="the call is over"),
        pytest.param(Case(ToolCallPhase.PENDING, an_execution(), False), id="the call waits for its next attempt"),
    ],
)
def test_an_outcome_counts_only_under_the_stored_claim(case: Case) -> None:
    status: dict[str, Any] = {"phase": case.phase, "execution": case.execution}
    assert holds(CALL.with_status(**status), an_execution()) == case.holds


def test_the_token_names_the_attempt_and_the_call() -> None:
    other = CALL.model_copy(update={"metadata": meta("hello-1-t0-c1")})
    tokens = {an_execution(attempt=attempt).token for attempt in range(10)}
    tokens.add(
        execution_for(
            other, attempt=0, holder=ME, semantics=ToolSemantics.IDEMPOTENT, now=NOW, timeout_seconds=60
        ).token
    )
    assert len(tokens) == 11
    assert an_execution().token == an_execution(holder="pod-b_other").token


def a_question(type_: HumanRequestType, **more: Any) -> HumanInput:
    return HumanInput(digest="sha256:0", request_name="hello-1-t0-c0", type=type_, **more)


@pytest.mark.parametrize(
    ("status", "is_asked"),
    [
        pytest.param({"input": a_question(HumanRequestType.OUTCOME)}, True, id="a person is asked what became of it"),
        pytest.param({"input": a_question(HumanRequestType.FORM)}, False, id="its server asks for a form"),
        pytest.param(
            {"input": a_question(HumanRequestType.OUTCOME, choice="Unknown")}, False, id="the person has answered"
        ),
        pytest.param(
            {"input": a_question(HumanRequestType.OUTCOME), "execution": an_execution(attempt=1)},
            False,
            id="it is about a later attempt",
        ),
        pytest.param(
            {"input": a_question(HumanRequestType.OUTCOME), "phase": ToolCallPhase.CANCELLED}, False, id="it is over"
        ),
        pytest.param({}, False, id="nobody is asked"),
    ],
)
def test_whose_outcome_ends_a_question_about_it(status: dict[str, Any], is_asked: bool) -> None:
    call = CALL.with_status(**({"phase": ToolCallPhase.AWAITING_HUMAN_INPUT, "execution": an_execution()} | status))
    assert is_asked_about(call, an_execution()) == is_asked
