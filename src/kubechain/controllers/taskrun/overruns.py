"""Decides what becomes of a run that has reached a limit: it fails, or waits for a person who adds to it. Pure.

A limit is one of its Agent, of an Agent above, or of a Budget of the namespace that asks; one request is about one of
them.

`gate` stands before every turn and before the tool calls of a turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubechain.api import conditions, reasons
from kubechain.api.approval import DecisionChoice
from kubechain.api.budget import BUDGET_REQUESTS_LIMIT, BudgetEnd, BudgetRequest
from kubechain.api.humanrequest import Decision
from kubechain.controllers import decisions
from kubechain.controllers.frame import Done, soonest
from kubechain.controllers.inquiries import asks_for, request_for
from kubechain.controllers.taskrun import asking, overdrafts
from kubechain.controllers.taskrun.observe import Observed
from kubechain.controllers.taskrun.overdrafts import Reached
from kubechain.controllers.taskrun.steps import AskForBudget, CreateBudgetRequest, Fail, GoOn, WaitAbove

PASSED = "Goes on: the limit is not reached any more"
REFUSED = "{} added nothing"
TOO_LATE = "nobody decided in time: the request expired at {}"
TOO_OFTEN = f"a person was asked {BUDGET_REQUESTS_LIMIT} times, as often as one run may ask"
ANOTHER_DECISION = "what was decided is not what was asked"

Next = Fail | AskForBudget | CreateBudgetRequest | WaitAbove | GoOn | Done


def gate(observed: Observed, reached: Sequence[Reached]) -> Next | None:
    """What keeps a run from going on; None where nothing does.

    Args:
        reached: The limits that are reached, of the run, of those above it, and of Budgets that ask.
    """
    if not reached:
        return _passed(observed)
    for use in reached:
        if not use.may_be_added_to:
            return Fail(use.end_reason, use.reached)
    own = [use for use in reached if use.is_own]
    if not own:
        # The run that the limit is of asks; its answer wakes this one.
        return WaitAbove(f"{reached[0].reached}: waiting for a person to add to it")
    opened = observed.run.status.open_budget_request
    if opened is not None:
        about = [use for use in own if use.budget_name == opened.budget_name]
        return _follow(observed, about[0], opened) if about else _withdrawn(opened)
    if len(observed.run.status.budget_requests) >= BUDGET_REQUESTS_LIMIT:
        return _failed(own[0], TOO_OFTEN)
    same = [use for use in own if use.budget_name == own[0].budget_name]
    return AskForBudget(asking.asked(observed.run, same, observed.now), own[0].reached)


def _passed(observed: Observed) -> GoOn | None:
    """No limit is reached: one that was is raised, or the run above got more."""
    status = observed.run.status
    if status.open_budget_request is not None:
        return _withdrawn(status.open_budget_request)
    was_stopped = conditions.is_true(status.conditions, conditions.LIMIT_REACHED)
    return GoOn(reasons.LIMIT_PASSED, PASSED) if was_stopped else None


def _withdrawn(opened: BudgetRequest) -> GoOn:
    return GoOn(reasons.LIMIT_PASSED, PASSED, opened.with_changes(ended=BudgetEnd.WITHDRAWN))


def left_seconds(observed: Observed, asked: BudgetRequest) -> float | None:
    """How long nothing happens unless somebody does it: until the request expires, or its Budget begins anew."""
    return soonest(decisions.left_seconds(asked, observed.now), overdrafts.seconds_to_reset(observed, asked))


def _follow(observed: Observed, use: Reached, asked: BudgetRequest) -> Next:
    """The next step of a run that waits for a person."""
    run, request = observed.run, observed.budget_facts.request
    if decisions.is_over(asked, observed.now):
        late = TOO_LATE.format(decisions.end_of(asked))
        return _failed(use, late, asked.with_changes(ended=BudgetEnd.EXPIRED))
    inquiry = asking.inquiry(run, asked.request_name, asked.reached, asked.budget)
    if request is None or not asks_for(request, run, asked, inquiry):
        # What has its name may be of an earlier run, and about to be deleted: the server knows.
        return CreateBudgetRequest(request_for(run, run, asked, inquiry), inquiry, AskForBudget(asked, use.reached))
    if request.spec.decision is not None:
        return judged(observed, use, asked, request.spec.decision)
    if run.status.blocked_since is not None:
        return AskForBudget(asked, use.reached)
    return Done(left_seconds(observed, asked))


def judged(observed: Observed, use: Reached, asked: BudgetRequest, decision: Decision) -> Fail | GoOn:
    """What a decision means for the run. What is recorded first counts."""
    judge = observed.budget_facts.judge
    decided = judge.recorded(asked, decision, observed.now)
    if flaw := judge.flaw(asked, decision, ANOTHER_DECISION):
        return _failed(use, flaw, decided)
    if decision.choice != DecisionChoice.APPROVE:
        return _failed(
            use, ": ".join(filter(None, (REFUSED.format(decisions.author(decided)), decision.comment))), decided
        )
    answered = asking.with_answer(decided, decision)
    if answered.unusable is not None:
        return GoOn(reasons.BUDGET_NOT_ADDED, f"The answer cannot be used: {answered.unusable}", answered)
    text = f"Goes on: {decisions.author(answered)} added {asking.told(answered)}"
    return GoOn(reasons.BUDGET_ADDED, text, answered)


def _failed(use: Reached, why: str, asked: BudgetRequest | None = None) -> Fail:
    return Fail(use.end_reason, f"{use.reached}: {why}", asked)
