"""What a call does while a person is asked for input, and what each answer means: tables of decide and settle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from kubechain.api import names
from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import Decision, HumanRequest, HumanRequestType
from kubechain.api.taskrun import PinnedTool, TaskRun
from kubechain.api.taskruntoolcall import EARLIER_LIMIT, Approval, HumanInput, TaskRunToolCall, ToolCallPhase
from kubechain.api.tool import OnUnknownOutcome, ToolSemantics
from kubechain.controllers.authority import Enforcement
from kubechain.controllers.frame import Done, next_version
from kubechain.controllers.inquiries import request_for
from kubechain.controllers.toolcall import inputs, questions, settle, unknowns
from kubechain.controllers.toolcall.approvalfacts import ApprovalFacts
from kubechain.controllers.toolcall.decide import INTERRUPTED, decide
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.outcomes import Unclear
from kubechain.controllers.toolcall.questions import QuestionWait
from kubechain.controllers.toolcall.steps import (
    Ask,
    Cancel,
    CreateRequest,
    Execute,
    GoOn,
    Reject,
    ReportUnknown,
    Step,
    TakeReply,
)
from kubechain.controllers.toolcall.unknowns import OutcomeWait
from test.controllers.builders import NOW, later, meta
from test.controllers.toolcall.builders import CALL_NAME, MESSAGE, a_tool_call, a_waiting_run, an_execution, seen

P, C = ToolCallPhase, DecisionChoice
WEEK_SECONDS = 7 * 86_400.0
LOST = "the connection broke"


def a_run_that_asks() -> TaskRun:
    """A run whose tool `add` wants a person to say what became of a call."""
    run = a_waiting_run()
    assert run.status.pinned is not None
    tool = PinnedTool(name="add", kind="Tool", object="add", on_unknown_outcome=OnUnknownOutcome.ASK)
    return run.with_status(pinned=run.status.pinned.with_changes(tools=(tool,)))


RUN = a_run_that_asks()


def asking() -> TaskRunToolCall:
    """A call that asked a question."""
    call = a_tool_call(arguments=MESSAGE)
    return call.with_status(phase=P.AWAITING_HUMAN_INPUT, input=questions.asked(call, RUN, NOW))


def lost(attempt: int = 0) -> TaskRunToolCall:
    """A call of which nobody knows whether it took effect, and a person is asked."""
    execution = an_execution(attempt=attempt, semantics=ToolSemantics.AT_MOST_ONCE)
    call = a_tool_call(P.RUNNING, execution=execution)
    return next_version(call, settle.concluded(call, Unclear(LOST), NOW, run=RUN))


def asked_by(call: TaskRunToolCall) -> HumanInput:
    assert call.status.input is not None
    return call.status.input


def request_of(call: TaskRunToolCall, decision: Decision | None = None) -> HumanRequest:
    """The request of a call as the server has it."""
    observed, asked = seen(call), asked_by(call)
    is_question = asked.type == HumanRequestType.QUESTION
    wait = QuestionWait(observed, RUN, asked) if is_question else OutcomeWait(observed, RUN, asked)
    request = request_for(call, RUN, asked, wait.inquiry())
    kept = meta(asked.request_name, owner_references=request.metadata.owner_references)
    return request.model_copy(update={"metadata": kept, "spec": request.spec.with_changes(decision=decision)})


def decided(call: TaskRunToolCall, choice: DecisionChoice, **more: Any) -> HumanRequest:
    values: dict[str, Any] = {"choice": choice, "digest": asked_by(call).digest, "by": "bob"} | more
    return request_of(call, Decision(**values))


def watching(call: TaskRunToolCall, request: HumanRequest | None, *, now: datetime = NOW, **facts: Any) -> Observed:
    """The call with its request, as the caches have them."""
    return replace(seen(call, "add", run=RUN, now=now), approval=ApprovalFacts(request=request, **facts))


QUESTION, OUTCOME = asking(), lost()
BOTH = pytest.mark.parametrize("call", [QUESTION, OUTCOME], ids=["a question", "an outcome"])


def recorded(call: TaskRunToolCall, choice: DecisionChoice) -> HumanInput:
    return asked_by(call).with_changes(choice=choice, by="bob", at=NOW)


# --- while nobody has decided


@BOTH
def test_a_person_is_asked_until_the_request_is_there(call: TaskRunToolCall) -> None:
    step = decide(watching(call, None))
    assert isinstance(step, CreateRequest)
    assert step.request.spec.request.digest == asked_by(call).digest
    assert decide(watching(call, request_of(call))) == Done(WEEK_SECONDS)


@BOTH
def test_a_request_that_could_not_be_made_and_is_there_is_waited_for(call: TaskRunToolCall) -> None:
    refused = call.with_status(phase=P.ERROR_REQUESTING_HUMAN_INPUT)
    assert decide(watching(refused, request_of(call))) == Ask(asked_by(call))


def of_another(request: HumanRequest) -> HumanRequest:
    return request.model_copy(update={"metadata": meta(request.metadata.name)})


def with_content(**changes: Any) -> Callable[[HumanRequest], HumanRequest]:
    def forge(request: HumanRequest) -> HumanRequest:
        content = request.spec.request.with_changes(**changes)
        return request.model_copy(update={"spec": request.spec.with_changes(request=content)})

    return forge


@BOTH
@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(of_another, id="which another call made"),
        pytest.param(with_content(digest=f"sha256:{'0' * 64}"), id="of another digest"),
        pytest.param(with_content(arguments='{"a": 2}'), id="that shows other arguments"),
        pytest.param(with_content(tool="subtract"), id="that shows another tool"),
        pytest.param(with_content(type=HumanRequestType.APPROVAL), id="of another type"),
    ],
)
def test_a_decided_request_is_worth_nothing(
    call: TaskRunToolCall, forge: Callable[[HumanRequest], HumanRequest]
) -> None:
    choice = C.ANSWER if call is QUESTION else C.DID_NOT_HAPPEN
    assert isinstance(decide(watching(call, forge(decided(call, choice)))), CreateRequest)


# --- decisions


@pytest.mark.parametrize(
    ("call", "choice", "more", "step"),
    [
        pytest.param(
            QUESTION,
            C.ANSWER,
            {"answer": "b"},
            TakeReply(recorded(QUESTION, C.ANSWER), "b"),
            id="an answer is the result",
        ),
        pytest.param(QUESTION, C.ANSWER, {}, TakeReply(recorded(QUESTION, C.ANSWER), ""), id="an empty answer too"),
        pytest.param(
            QUESTION,
            C.REJECT,
            {},
            Reject(questions.DECLINED, recorded(QUESTION, C.REJECT)),
            id="nobody wants to answer",
        ),
        pytest.param(
            OUTCOME,
            C.HAPPENED,
            {"answer": "b"},
            TakeReply(recorded(OUTCOME, C.HAPPENED), "b"),
            id="what happened has a result",
        ),
        pytest.param(
            OUTCOME,
            C.DID_NOT_HAPPEN,
            {},
            GoOn(recorded(OUTCOME, C.DID_NOT_HAPPEN), unknowns.NOT_HAPPENED.format("bob")),
            id="what did not happen is made again",
        ),
        pytest.param(
            OUTCOME,
            C.UNKNOWN,
            {},
            ReportUnknown(f"{LOST}; {unknowns.NOBODY_KNOWS}", recorded(OUTCOME, C.UNKNOWN)),
            id="what nobody knows stays unknown",
        ),
    ],
)
def test_a_decision_leads_to(call: TaskRunToolCall, choice: DecisionChoice, more: dict[str, str], step: Step) -> None:
    found = decide(watching(call, decided(call, choice, **more), enforcement=Enforcement()))
    assert without_identity(found) == step


def without_identity(step: Any) -> Any:
    name = "asked" if isinstance(step, Reject) else "input"
    return replace(step, **{name: getattr(step, name).with_changes(identity=None, comment=None, through=None)})


@BOTH
def test_a_decision_after_the_time_is_over_does_not_count(call: TaskRunToolCall) -> None:
    choice = C.ANSWER if call is QUESTION else C.DID_NOT_HAPPEN
    step = decide(watching(call, decided(call, choice), now=later(WEEK_SECONDS)))
    assert isinstance(step, Reject if call is QUESTION else ReportUnknown)


@BOTH
@pytest.mark.parametrize(
    ("enforcement", "counts"),
    [
        pytest.param(Enforcement(), True, id="verified"),
        pytest.param(Enforcement("no policy"), False, id="not verified"),
        pytest.param(None, False, id="not looked at"),
    ],
)
def test_only_verified_decisions_count_where_that_is_wanted(
    call: TaskRunToolCall, enforcement: Enforcement | None, *, counts: bool
) -> None:
    choice = C.ANSWER if call is QUESTION else C.DID_NOT_HAPPEN
    step = decide(watching(call, decided(call, choice), enforcement=enforcement, requires_verified=True))
    assert isinstance(step, TakeReply | GoOn) == counts


@BOTH
def test_a_decision_of_another_digest_does_not_count(call: TaskRunToolCall) -> None:
    choice = C.ANSWER if call is QUESTION else C.DID_NOT_HAPPEN
    step = decide(watching(call, decided(call, choice, digest=f"sha256:{'0' * 64}")))
    assert isinstance(step, Reject if call is QUESTION else ReportUnknown)


# --- what the call records


def test_a_call_that_is_lost_waits_for_a_person_in_the_write_that_says_so() -> None:
    asked = asked_by(OUTCOME)
    assert (OUTCOME.status.phase, OUTCOME.status.error) == (P.AWAITING_HUMAN_INPUT, LOST)
    assert OUTCOME.status.completion_time is None
    assert (asked.type, asked.attempt, asked.request_name) == ("Outcome", 0, names.human_request_name(CALL_NAME))


def test_a_cancelled_call_of_unknown_outcome_may_have_taken_effect() -> None:
    cancelled = RUN.model_copy(update={"spec": RUN.spec.with_changes(cancel=True)})
    assert decide(replace(watching(OUTCOME, None), run=cancelled)) == Cancel(INTERRUPTED)
    assert decide(replace(watching(QUESTION, None), run=cancelled)) == Cancel("its run was cancelled")


def test_what_did_not_happen_is_attempted_again() -> None:
    told = recorded(OUTCOME, C.DID_NOT_HAPPEN)
    again = OUTCOME.with_status(phase=P.PENDING, input=told)
    step = decide(watching(again, None))
    assert isinstance(step, Execute)
    assert step.attempt == 1


def test_the_word_of_a_person_is_about_one_attempt() -> None:
    told = recorded(OUTCOME, C.DID_NOT_HAPPEN)
    assert inputs.is_known_not_to_have_happened(OUTCOME.with_status(input=told))
    later_attempt = OUTCOME.with_status(input=told, execution=an_execution(attempt=1))
    assert not inputs.is_known_not_to_have_happened(later_attempt)


@pytest.mark.parametrize(
    ("approval", "number"),
    [
        pytest.param(None, 1, id="without an approval"),
        pytest.param(CALL_NAME, 2, id="after its own approval"),
        pytest.param("hello-1-t0-c1", 1, id="under the approval of another call"),
    ],
)
def test_each_request_of_a_call_has_a_name_of_its_own(approval: str | None, number: int) -> None:
    call = a_tool_call(arguments=MESSAGE)
    if approval is not None:
        asked = Approval(digest=asked_by(QUESTION).digest, request_name=approval, choice=C.APPROVE)
        call = call.with_status(approval=asked)
    found = list[str]()
    for _ in range(3):
        asked = questions.asked(call, RUN, NOW)
        found.append(asked.request_name)
        call = call.with_status(input=asked.with_changes(choice=C.ANSWER))
    assert found == [names.human_request_name(CALL_NAME, number + count) for count in range(3)]


def test_a_call_keeps_what_it_asked_before_up_to_a_limit() -> None:
    call = a_tool_call(arguments=MESSAGE)
    for number in range(EARLIER_LIMIT + 3):
        asked = questions.asked(call, RUN, NOW).with_changes(choice=C.ANSWER, by=f"person-{number}")
        call = call.with_status(input=asked)
    assert [one.by for one in asked_by(call).earlier] == [f"person-{number}" for number in range(2, EARLIER_LIMIT + 2)]
    assert [one.request_name for one in call.status.questions][-1] == asked_by(call).request_name


@pytest.mark.parametrize(
    ("call", "phase"),
    [
        pytest.param(QUESTION, P.FAILED, id="a question that cannot be asked fails"),
        pytest.param(OUTCOME, P.OUTCOME_UNKNOWN, id="a call of unknown outcome stays unknown"),
    ],
)
def test_a_call_that_cannot_ask_ends(call: TaskRunToolCall, phase: ToolCallPhase) -> None:
    assert settle.not_carried_out(call, "refused", NOW).status["phase"] == phase
