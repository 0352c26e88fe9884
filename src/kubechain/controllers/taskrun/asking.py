"""What a person is asked when a run has reached a limit of its Agent, and what their answer adds. Pure.

What is asked is made of the run's own record of it, so that every process asks the same under the same digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import takewhile
from typing import Any

from kubechain.api import names
from kubechain.api.approval import DecisionChoice
from kubechain.api.budget import (
    ADDITION_LIMIT,
    OF_AGENT,
    OF_BUDGET,
    BudgetAddition,
    BudgetRequest,
    ReachedLimit,
    SpentBudget,
)
from kubechain.api.humanrequest import Decision, HumanRequestType, RequestSubject
from kubechain.api.taskrun import TaskRun
from kubechain.api.usage import COUNT_LIMIT, DOLLARS_PATTERN, dollars
from kubechain.controllers import decisions
from kubechain.controllers.inquiries import Inquiry
from kubechain.controllers.taskrun.budgets import LimitField, Use, micro
from kubechain.controllers.taskrun.overdrafts import Overdraft, Reached
from kubechain.net.foreign import cut, harmless
from kubechain.tools import arguments
from kubechain.tools.model import InvalidArguments

CHOICES = (DecisionChoice.APPROVE, DecisionChoice.REJECT)

UNUSABLE_MAX_CHARACTERS = 512

_NAMES: dict[LimitField, str] = {
    "maxTurns": "turns",
    "maxTokens": "tokens",
    "maxToolCalls": "toolCalls",
    "maxCost": "cost",
}
"""The field of an answer that adds to a limit."""

_COUNT: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": ADDITION_LIMIT}
_DOLLARS: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": ADDITION_LIMIT},
        {"type": "string", "pattern": DOLLARS_PATTERN},
    ]
}

_FIELDS: dict[str, Any] = {"turns": _COUNT, "tokens": _COUNT, "toolCalls": _COUNT, "cost": _DOLLARS}
"""The schemas of the fields of an answer."""


def asked(run: TaskRun, reached: Sequence[Reached], now: datetime) -> BudgetRequest:
    """What the run records before anybody is asked.

    Args:
        reached: Limits of its Agent, or of one Budget.
    """
    name = names.budget_request_name(run.metadata.name, len(run.status.budget_requests) + 1)
    limits = tuple(_reached(use) for use in reached)
    budget = next((one.record for one in reached if isinstance(one, Overdraft)), None)
    digest = inquiry(run, name, limits, budget).digest
    return BudgetRequest(
        digest=digest, request_name=name, expires_at=decisions.default_expiry(now), reached=limits, budget=budget
    )


def _reached(one: Reached) -> ReachedLimit:
    match one:
        case Use():
            assert one.field != "maxCost", "nobody is asked to add to an Agent's limit of money"
            offered = min(one.own * -(-one.missing // one.own), ADDITION_LIMIT)
            return ReachedLimit(limit=one.field, allowed=one.limit, used=one.spent, offered=offered)
        case Overdraft():
            allowed, used = min(one.own, COUNT_LIMIT), min(one.spent, COUNT_LIMIT)
            offered = min(max(one.own // 10, 1), ADDITION_LIMIT)
            return ReachedLimit(limit=one.field, allowed=allowed, used=used, offered=offered)


def inquiry(run: TaskRun, name: str, reached: Sequence[ReachedLimit], budget: SpentBudget | None = None) -> Inquiry:
    """What the person is asked: whether what was used is worth more.

    Args:
        name: Of the request.
        budget: The Budget that it is about; None for limits of the Agent.
    """
    agent = RequestSubject(resource="agents", name=_agent_name(run))
    return Inquiry(
        type=HumanRequestType.BUDGET,
        subject=RequestSubject(resource="budgets", name=budget.name) if budget is not None else agent,
        message=_message(run, name, reached, budget),
        choices=CHOICES,
        essence=_essence(reached, budget),
    )


def _agent_name(run: TaskRun) -> str:
    assert run.status.pinned is not None, "a run that has not begun has reached no limit"
    return run.status.pinned.agent_name


def _message(run: TaskRun, name: str, reached: Sequence[ReachedLimit], budget: SpentBudget | None) -> str:
    """What a person reads: which limit, what was used, and what to type."""
    namespace = run.metadata.namespace
    example = ",".join(f"{_NAMES[one.limit]}={_amount(one, one.offered)}" for one in reached)
    limit = f'Budget "{budget.name}" is spent' if budget is not None else "it has reached a limit"
    others = "others ask for themselves" if budget is not None else "and so do the runs below it"
    return "\n".join(
        (
            f'TaskRun {run.metadata.name} of the agent "{_agent_name(run)}" waits: {limit}.',
            f"It was asked: {harmless(run.status.user_msg_preview)}",
            _essence(reached, budget),
            *_repeated(run, name),
            f"Approve: the run goes on, {others}, with that much more, or with what the answer says. "
            "Reject: the run fails, and its error has the comment.",
            f"  kubechain approve {name} -n {namespace}",
            f"  kubechain answer {name} -n {namespace} --add {example}",
            f"  kubechain reject {name} -n {namespace} --comment TEXT",
        )
    )


def _amount(one: ReachedLimit, number: int) -> str:
    """A number of a limit; that of a cost is in dollars."""
    return dollars(Decimal(number) / 1_000_000) if one.limit == "maxCost" else str(number)


def _essence(reached: Sequence[ReachedLimit], budget: SpentBudget | None) -> str:
    """What a decision is bound to; every release words it like this."""
    if budget is not None:
        return "\n".join(
            f'  {one.limit}: {_amount(one, one.allowed)} allowed by Budget "{budget.name}", {_amount(one, one.used)} '
            f"used by all its runs, {_amount(one, one.offered)} more for this run by Approve"
            for one in reached
        )
    return "\n".join(
        f"  {one.limit}: {one.allowed} allowed, {one.used} used with its sub-agents, {one.offered} more by Approve"
        for one in reached
    )


def _repeated(run: TaskRun, name: str) -> Sequence[str]:
    """Why a person is asked again whose answer to the request before could not be used."""
    earlier = list(takewhile(lambda one: one.request_name != name, run.status.budget_requests))
    if not earlier or earlier[-1].unusable is None:
        return ()
    return (f"The answer to {earlier[-1].request_name} could not be used: {earlier[-1].unusable}",)


def offered(reached: Sequence[ReachedLimit]) -> BudgetAddition:
    """What choice Approve without an answer adds."""
    return BudgetAddition.model_validate(
        {_NAMES[one.limit]: _amount(one, one.offered) if one.limit == "maxCost" else one.offered for one in reached}
    )


def _words(added: BudgetAddition) -> str:
    cost = (f"${added.cost}",) if added.cost is not None else ()
    return ", ".join((*(f"{count} {unit}" for unit, count in _counts(added)), *cost))


def _counts(added: BudgetAddition) -> Sequence[tuple[str, int]]:
    found = (("turns", added.turns), ("tokens", added.tokens), ("tool calls", added.tool_calls))
    return [(unit, count) for unit, count in found if count is not None]


def told(asked: BudgetRequest) -> str:
    """What a decision added, in words."""
    return _words(asked.added) if asked.added is not None else "nothing"


def with_answer(asked: BudgetRequest, decision: Decision) -> BudgetRequest:
    """What was asked, with what an approval adds, or why that cannot be known."""
    if decision.answer is None or not decision.answer.strip():
        return asked.with_changes(added=offered(asked.reached))
    try:
        added = _parsed(decision.answer, OF_AGENT if asked.budget is None else OF_BUDGET)
    except InvalidArguments as error:
        why = str(error).replace("arguments:", "answer:", 1)
        return asked.with_changes(unusable=cut(harmless(why), UNUSABLE_MAX_CHARACTERS))
    if not any(_lifts(added, asked, one) for one in asked.reached):
        return asked.with_changes(unusable=_too_little(asked))
    return asked.with_changes(added=added)


def _parsed(answer: str, fields: Sequence[str]) -> BudgetAddition:
    """What an answer adds.

    Args:
        fields: Those that it may have.

    Raises:
        InvalidArguments: It is not an object of positive numbers.
    """
    properties = {name: _FIELDS[name] for name in fields}
    schema = {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}
    found = arguments.parse(answer, schema)
    return BudgetAddition.model_validate(
        {unit: dollars(Decimal(str(value))) if unit == "cost" else int(value) for unit, value in found.items()}
    )


def _lifts(added: BudgetAddition, asked: BudgetRequest, one: ReachedLimit) -> bool:
    return (_of(added, one.limit) or 0) >= _missing(asked, one)


def _missing(asked: BudgetRequest, one: ReachedLimit) -> int:
    """The least that lets the run go on; beyond a Budget, what is added counts from what the run has spent."""
    if asked.budget is not None:
        return 1
    return one.used - one.allowed + (0 if one.limit == "maxToolCalls" else 1)


def _of(added: BudgetAddition, field: LimitField) -> int | None:
    match field:
        case "maxTurns":
            return added.turns
        case "maxTokens":
            return added.tokens
        case "maxToolCalls":
            return added.tool_calls
        case "maxCost":
            return micro(added.cost or "0")


def _too_little(asked: BudgetRequest) -> str:
    least = " or ".join(f"{_amount(one, _missing(asked, one))} {_NAMES[one.limit]}" for one in asked.reached)
    return f"it does not lift a limit that was reached, which takes at least {least}"
