"""What a person is asked when a run has reached a limit of its Agent, and what their answer adds. Pure.

What is asked is made of the run's own record of it, so that every process asks the same under the same digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from kubechain.api import names
from kubechain.api.approval import DecisionChoice
from kubechain.api.budget import ADDITION_LIMIT, BudgetAddition, BudgetRequest, ReachedLimit
from kubechain.api.humanrequest import Decision, HumanRequestType, RequestSubject
from kubechain.api.taskrun import TaskRun
from kubechain.controllers import decisions
from kubechain.controllers.inquiries import Inquiry
from kubechain.controllers.taskrun.budgets import AddableField, Use
from kubechain.net.foreign import cut, harmless
from kubechain.tools import arguments
from kubechain.tools.model import InvalidArguments

CHOICES = (DecisionChoice.APPROVE, DecisionChoice.REJECT)

UNUSABLE_MAX_CHARACTERS = 512

_UNITS: dict[str, AddableField] = {"turns": "maxTurns", "tokens": "maxTokens", "toolCalls": "maxToolCalls"}
"""The fields of an answer, and the limits that they add to."""

_NAMES: dict[AddableField, str] = {field: unit for unit, field in _UNITS.items()}


def asked(run: TaskRun, reached: Sequence[Use], now: datetime) -> BudgetRequest:
    """What the run records before anybody is asked."""
    name = names.budget_request_name(run.metadata.name, len(run.status.budget_requests) + 1)
    limits = tuple(_reached(use) for use in reached)
    digest = inquiry(run, name, limits).digest
    return BudgetRequest(digest=digest, request_name=name, expires_at=decisions.default_expiry(now), reached=limits)


def _reached(use: Use) -> ReachedLimit:
    assert use.field != "maxCost", "nobody is asked to add to a limit of money"
    offered = min(use.own * -(-use.missing // use.own), ADDITION_LIMIT)
    return ReachedLimit(limit=use.field, allowed=use.limit, used=use.spent, offered=offered)


def inquiry(run: TaskRun, name: str, reached: Sequence[ReachedLimit]) -> Inquiry:
    """What the person is asked: whether what was used is worth more."""
    return Inquiry(
        type=HumanRequestType.BUDGET,
        subject=RequestSubject(resource="agents", name=_agent_name(run)),
        message=_message(run, name, reached),
        choices=CHOICES,
        essence=_essence(reached),
    )


def _agent_name(run: TaskRun) -> str:
    assert run.status.pinned is not None, "a run that has not begun has reached no limit"
    return run.status.pinned.agent_name


def _message(run: TaskRun, name: str, reached: Sequence[ReachedLimit]) -> str:
    """What a person reads: which limit, what was used, and what to type."""
    namespace, units = run.metadata.namespace, [_NAMES[one.limit] for one in reached]
    example = ",".join(f"{unit}={one.offered}" for unit, one in zip(units, reached, strict=True))
    return "\n".join(
        (
            f'TaskRun {run.metadata.name} of the agent "{_agent_name(run)}" has reached a limit and waits.',
            f"It was asked: {harmless(run.status.user_msg_preview)}",
            _essence(reached),
            *_repeated(run, name),
            "Approve: the run goes on, and so do the runs below it, with that much more, or with what the answer says. "
            "Reject: the run fails, and its error has the comment.",
            f"  kubechain approve {name} -n {namespace}",
            f"  kubechain answer {name} -n {namespace} --add {example}",
            f"  kubechain reject {name} -n {namespace} --comment TEXT",
        )
    )


def _essence(reached: Sequence[ReachedLimit]) -> str:
    """What a decision is bound to; every release words it like this."""
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
    return _addition({_NAMES[one.limit]: one.offered for one in reached})


def _addition(counts: dict[str, int]) -> BudgetAddition:
    return BudgetAddition.model_validate(counts)


def _words(added: BudgetAddition) -> str:
    return ", ".join(f"{count} {unit}" for unit, count in _counts(added))


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
        added = _parsed(decision.answer)
    except InvalidArguments as error:
        why = str(error).replace("arguments:", "answer:", 1)
        return asked.with_changes(unusable=cut(harmless(why), UNUSABLE_MAX_CHARACTERS))
    if not any(_lifts(added, one) for one in asked.reached):
        return asked.with_changes(unusable=_too_little(asked.reached))
    return asked.with_changes(added=added)


def _parsed(answer: str) -> BudgetAddition:
    """The counts of an answer.

    Raises:
        InvalidArguments: It is not an object of positive integers.
    """
    count = {"type": "integer", "minimum": 1, "maximum": ADDITION_LIMIT}
    schema = {
        "type": "object",
        "properties": dict.fromkeys(_UNITS, count),
        "additionalProperties": False,
        "minProperties": 1,
    }
    found = arguments.parse(answer, schema)
    return _addition({unit: int(value) for unit, value in found.items()})


def _lifts(added: BudgetAddition, one: ReachedLimit) -> bool:
    return (_of(added, one.limit) or 0) >= _missing(one)


def _missing(one: ReachedLimit) -> int:
    return one.used - one.allowed + (0 if one.limit == "maxToolCalls" else 1)


def _of(added: BudgetAddition, field: AddableField) -> int | None:
    match field:
        case "maxTurns":
            return added.turns
        case "maxTokens":
            return added.tokens
        case "maxToolCalls":
            return added.tool_calls


def _too_little(reached: Sequence[ReachedLimit]) -> str:
    least = " or ".join(f"{_missing(one)} {_NAMES[one.limit]}" for one in reached)
    return f"it does not lift a limit that was reached, which takes at least {least}"
