"""What becomes of a run that has reached a limit, request by request and decision by decision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kubechain.api.agent import AgentLimits, OnExceeded
from kubechain.api.budget import BUDGET_REQUESTS_LIMIT, BudgetAddition, BudgetEnd, BudgetRequest
from kubechain.api.conditions import LIMIT_NEAR, LIMIT_REACHED, is_true
from kubechain.api.humanrequest import Decision, HumanRequest
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.api.usage import Spending
from kubechain.controllers.authority import Enforcement
from kubechain.controllers.decisions import Judge
from kubechain.controllers.frame import Done
from kubechain.controllers.inquiries import request_for
from kubechain.controllers.taskrun import asking, limitstops, overruns
from kubechain.controllers.taskrun.budgetfacts import BudgetFacts
from kubechain.controllers.taskrun.budgets import Budget, before_turn
from kubechain.controllers.taskrun.overruns import gate
from kubechain.controllers.taskrun.steps import AskForBudget, CreateBudgetRequest, Fail, GoOn, WaitAbove
from test.controllers.builders import NOW, a_claim, a_run, observed

REACHED = "the run reached its limit of 3 turns"
ASKING = AgentLimits(max_turns=3, on_exceeded=OnExceeded.ASK)
FAILING = AgentLimits(max_turns=3)
SOMEBODY_ELSE = "00000000-0000-0000-0000-00000000ffff"


def own(limits: AgentLimits = ASKING, *, turns: int = 3, requests: tuple[BudgetRequest, ...] = ()) -> Budget:
    return Budget("", limits, Spending(turns=turns), requests=requests)


def above(limits: AgentLimits, *, turns: int = 3) -> Budget:
    return Budget("parent", limits, Spending(turns=turns), has_below=True)


def next_of(run: TaskRun, *budgets: Budget, **facts: Any) -> overruns.Next | None:
    world = observed(run, budgets=budgets, budget_facts=BudgetFacts(**facts), now=facts.pop("now", NOW))
    return gate(world, before_turn(budgets))


def asked_run(**status: Any) -> tuple[TaskRun, BudgetRequest]:
    """A run that waits for a person, and what it asks."""
    run = a_run(phase=TaskRunPhase.READY_FOR_LLM, turn=3)
    asked = asking.asked(run, before_turn((own(),)), NOW)
    return run.with_status(**({"budget_requests": (asked,)} | status)), asked


def request_of(run: TaskRun, asked: BudgetRequest, decision: dict[str, Any] | None = None) -> HumanRequest:
    """The request as the run made it, with what a person decided."""
    made = request_for(run, run, asked, asking.inquiry(run, asked.request_name, asked.reached))
    if decision is None:
        return made
    decided = Decision.model_validate({"choice": "Approve", "digest": asked.digest, "by": "bob"} | decision)
    return made.with_changes(spec=made.spec.with_changes(decision=decided))


def test_a_run_whose_agent_asks_records_what_it_asks_first() -> None:
    run = a_run(phase=TaskRunPhase.READY_FOR_LLM, turn=3)
    step = next_of(run, own())
    assert isinstance(step, AskForBudget)
    (limit,) = step.asked.reached
    assert (limit.limit, limit.allowed, limit.used, limit.offered) == ("maxTurns", 3, 3, 3)
    assert (step.asked.request_name, step.asked.expires_at) == ("hello-1-budget-1", NOW + timedelta(days=7))


def test_the_request_is_made_from_the_record_alone() -> None:
    run, asked = asked_run()
    step = next_of(run, own())
    assert isinstance(step, CreateBudgetRequest)
    assert step.inquiry.digest == asked.digest == step.request.spec.request.digest


@pytest.mark.parametrize(
    ("budgets", "step"),
    [
        pytest.param((own(FAILING),), Fail("LimitExceeded", REACHED), id="its agent does not ask"),
        pytest.param(
            (own(), above(FAILING)),
            Fail("LimitExceeded", 'TaskRun "parent" and its sub-agents reached its limit of 3 turns'),
            id="a run above has reached a limit that nobody is asked about",
        ),
        pytest.param(
            (own(turns=2), above(ASKING)),
            WaitAbove(
                'TaskRun "parent" and its sub-agents reached its limit of 3 turns: waiting for a person to add to it'
            ),
            id="a run above asks",
        ),
        pytest.param((own(turns=2), above(ASKING, turns=2)), None, id="no limit is reached"),
        pytest.param(
            (own(requests=(asked_run()[1].with_changes(added=BudgetAddition(turns=1)),)),),
            None,
            id="a person added to the limit",
        ),
    ],
)
def test_a_run_at_a_limit_goes_by_what_the_limit_is_of(budgets: tuple[Budget, ...], step: object) -> None:
    assert next_of(a_run(phase=TaskRunPhase.READY_FOR_LLM, turn=3), *budgets) == step


def test_a_run_that_asked_as_often_as_it_may_fails() -> None:
    _, asked = asked_run()
    closed = asked.with_changes(choice="Approve")
    earlier = tuple(closed.with_changes(request_name=f"{number}") for number in range(BUDGET_REQUESTS_LIMIT))
    run = a_run(phase=TaskRunPhase.READY_FOR_LLM, turn=3, budget_requests=earlier)
    assert next_of(run, own()) == Fail("LimitExceeded", f"{REACHED}: {overruns.TOO_OFTEN}")


def test_a_run_waits_until_the_request_expires() -> None:
    run, asked = asked_run()
    assert next_of(run, own(), request=request_of(run, asked)) == Done(7 * 86_400.0)


def test_a_decision_after_the_expiry_does_not_count() -> None:
    run, asked = asked_run()
    facts = BudgetFacts(request=request_of(run, asked, {}))
    late = observed(run, budgets=(own(),), budget_facts=facts, now=NOW + timedelta(days=7))
    step = gate(late, before_turn((own(),)))
    assert isinstance(step, Fail)
    assert step.asked == asked.with_changes(ended=BudgetEnd.EXPIRED)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"digest": f"sha256:{'0' * 64}"}, id="another digest"),
        pytest.param({"message": "May I have a coffee?"}, id="another message under the digest"),
        pytest.param({"type": "Approval"}, id="another type"),
    ],
)
def test_a_request_that_shows_something_else_is_not_the_runs(changes: dict[str, str]) -> None:
    run, asked = asked_run()
    made = request_of(run, asked, {})
    content = made.spec.request.with_changes(**changes)
    forged = made.with_changes(spec=made.spec.with_changes(request=content))
    assert isinstance(next_of(run, own(), request=forged), CreateBudgetRequest)


def test_a_request_of_another_run_of_the_name_is_not_the_runs() -> None:
    run, asked = asked_run()
    other = run.model_copy(update={"metadata": run.metadata.with_changes(uid=SOMEBODY_ELSE)})
    assert isinstance(next_of(run, own(), request=request_of(other, asked, {})), CreateBudgetRequest)


def test_a_decision_about_something_else_fails_the_run() -> None:
    run, asked = asked_run()
    step = next_of(run, own(), request=request_of(run, asked, {"digest": f"sha256:{'0' * 64}"}))
    assert isinstance(step, Fail)
    assert step.message == f"{REACHED}: what was decided is not what was asked"


def test_a_decision_whose_author_must_be_verified_and_is_not_fails_the_run() -> None:
    run, asked = asked_run()
    judge = Judge(Enforcement("no policy"), requires_verified=True)
    step = next_of(run, own(), request=request_of(run, asked, {}), judge=judge)
    assert isinstance(step, Fail)
    assert step.message.endswith("its author is not verified: no policy")


@pytest.mark.parametrize(
    ("policy", "through", "identity"),
    [("", None, "Verified"), ("", "contactchannels/ops", "Delegated"), ("not installed", None, "Claimed")],
)
def test_the_run_records_how_sure_the_author_is(policy: str, through: str | None, identity: str) -> None:
    run, asked = asked_run()
    request = request_of(run, asked, {"through": through})
    step = next_of(run, own(), request=request, judge=Judge(Enforcement(policy)))
    assert isinstance(step, GoOn)
    assert step.asked is not None
    assert step.asked.identity == identity


@pytest.mark.parametrize(
    ("answer", "added", "unusable"),
    [
        pytest.param(None, BudgetAddition(turns=3), None, id="none: the limit once more"),
        pytest.param("  ", BudgetAddition(turns=3), None, id="blank: the limit once more"),
        pytest.param('{"turns": 1}', BudgetAddition(turns=1), None, id="as much as is needed"),
        pytest.param('{"turns": true}', None, 'answer: $.turns: true is not of type "integer"', id="no number"),
        pytest.param('{"turns": -1}', None, "less than the minimum", id="a negative number"),
        pytest.param('{"turns": 9999999999}', None, "greater than the maximum", id="more than a limit can hold"),
        pytest.param("{}", None, "less than 1 property", id="nothing"),
        pytest.param('{"toolCalls": 4}', None, "takes at least 1 turns", id="another limit"),
    ],
)
def test_an_approval_adds(answer: str | None, added: BudgetAddition | None, unusable: str | None) -> None:
    run, asked = asked_run()
    step = next_of(run, own(), request=request_of(run, asked, {"answer": answer}))
    assert isinstance(step, GoOn)
    assert step.asked is not None
    assert step.asked.added == added
    assert (unusable is None) == (step.asked.unusable is None)
    assert unusable is None or unusable in (step.asked.unusable or "")


@pytest.mark.parametrize(
    ("limit", "spent", "offered"), [(100, 100, 100), (100, 101, 100), (100, 199, 100), (100, 200, 200), (1, 50, 50)]
)
def test_an_approval_without_an_answer_lets_the_run_go_on(limit: int, spent: int, offered: int) -> None:
    budget = Budget("", AgentLimits(max_tokens=limit, on_exceeded=OnExceeded.ASK), Spending(total_tokens=spent))
    (one,) = asking.asked(a_run(phase=TaskRunPhase.READY_FOR_LLM), before_turn((budget,)), NOW).reached
    assert (one.limit, one.offered) == ("maxTokens", offered)


def test_a_run_whose_request_was_refused_says_again_that_it_waits_once_it_is_there() -> None:
    run, asked = asked_run(blocked_since=NOW)
    assert next_of(run, own(), request=request_of(run, asked)) == AskForBudget(asked, REACHED)


def test_a_run_that_goes_on_has_its_time_for_retries_anew() -> None:
    claim = a_claim().with_changes(failing_since=NOW)
    run, asked = asked_run(llm=claim)
    stopped = run.with_status(**limitstops.stopped(run, AskForBudget(asked, REACHED), NOW).status)
    assert is_true(stopped.status.conditions, LIMIT_REACHED)
    decided = asked.with_changes(choice="Approve", added=BudgetAddition(turns=1))
    went_on = limitstops.went_on(stopped, GoOn("BudgetAdded", "Goes on", decided), NOW)
    after = stopped.with_status(**went_on.status)
    assert after.status.llm == claim.with_changes(failing_since=None)
    assert after.status.budget_requests == (decided,)
    assert not is_true(after.status.conditions, LIMIT_REACHED)


def test_a_limit_that_was_near_is_near_no_longer_when_it_is_raised() -> None:
    run, asked = asked_run()
    near = limitstops.went_on(run, GoOn("BudgetAdded", "Goes on", asked), NOW).status["conditions"]
    assert [condition.type for condition in near] == [LIMIT_REACHED]
    warned = run.with_status(conditions=(near[0].with_changes(type=LIMIT_NEAR, status="True"),))
    after = limitstops.went_on(warned, GoOn("BudgetAdded", "Goes on", asked), NOW).status["conditions"]
    assert [(one.type, one.status) for one in after] == [(LIMIT_NEAR, "False"), (LIMIT_REACHED, "False")]


@pytest.mark.parametrize("phase", [TaskRunPhase.READY_FOR_LLM, TaskRunPhase.TOOL_CALLS_PENDING])
def test_a_run_waits_in_the_phase_that_it_is_in(phase: TaskRunPhase) -> None:
    run, asked = asked_run(phase=phase)
    assert "phase" not in limitstops.stopped(run, AskForBudget(asked, REACHED), NOW).status
