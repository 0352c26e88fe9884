"""What it means for a run's status that it stops at a limit, and that it goes on: pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api import conditions, reasons
from kubechain.api.budget import BudgetRequest
from kubechain.api.conditions import Claim
from kubechain.api.meta import Condition, StatusType
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.frame import Settled, normal
from kubechain.controllers.taskrun.steps import AskForBudget, GoOn
from kubechain.net.foreign import cut

DETAIL_MAX_CHARACTERS = 1_024


def stopped(run: TaskRun, step: AskForBudget, now: datetime) -> Settled:
    """The run waits for a person; the request is made after this is recorded."""
    text = f'Waiting for a person: {step.reached}; HumanRequest "{step.asked.request_name}" asks what to add'
    status = _waiting(run, reasons.BUDGET_REQUESTED, text, now) | {
        "budget_requests": with_request(run, step.asked),
        "waiting_for_budget": step.asked.budget_name or None,
    }
    return Settled(status, (normal(reasons.BUDGET_REQUESTED, text),))


def waiting(run: TaskRun, detail: str, left_seconds: float | None, now: datetime) -> Settled:
    """The run waits for what a person adds to a limit of a run above it.

    Args:
        left_seconds: Until the deadline of the run; None for no limit.
    """
    events = () if run.status.status_detail == detail else (normal(reasons.WAITING, detail),)
    return Settled(_waiting(run, reasons.WAITING, detail, now), events, left_seconds)


def _waiting(run: TaskRun, reason: str, text: str, now: datetime) -> dict[str, Any]:
    """The phase stays: what the run does next is what it would have done."""
    return {
        "ready": False,
        "status": StatusType.PENDING,
        "status_detail": text,
        "blocked_since": None,
        "conditions": _told(run, True, reason, text, now),
    }


def went_on(run: TaskRun, step: GoOn, now: datetime) -> Settled:
    """The run goes on. The time for which it repeats failed model calls starts anew: the wait was no failure."""
    text, claim = cut(step.detail, DETAIL_MAX_CHARACTERS), run.status.llm
    status: dict[str, Any] = {
        "ready": True,
        "status": StatusType.READY,
        "status_detail": text,
        "blocked_since": None,
        "waiting_for_budget": None,
        "conditions": _told(run, False, step.reason, text, now),
    }
    if claim is not None:
        status["llm"] = claim.with_changes(failing_since=None)
    if step.asked is not None:
        status["budget_requests"] = with_request(run, step.asked)
    return Settled(status, (normal(step.reason, text),))


def _told(run: TaskRun, is_reached: bool, reason: str, text: str, now: datetime) -> tuple[Condition, ...]:
    claims: list[Claim] = [(conditions.LIMIT_REACHED, is_reached, reason, text)]
    if not is_reached and conditions.is_true(run.status.conditions, conditions.LIMIT_NEAR):
        claims.append((conditions.LIMIT_NEAR, False, reason, text))
    return conditions.with_conditions(
        run.status.conditions, claims, observed_generation=run.metadata.generation, now=now
    )


def with_request(run: TaskRun, asked: BudgetRequest) -> tuple[BudgetRequest, ...]:
    """The run's record of what people were asked, with the newest as it is now."""
    earlier = tuple(one for one in run.status.budget_requests if one.request_name != asked.request_name)
    return (*earlier, asked)
