"""What people approved for the rest of a run: pure. W5 records it, later calls of the tool use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubechain.api.approval import DecisionChoice
from kubechain.api.grant import GRANTS_LIMIT, Grant
from kubechain.api.taskrun import PendingToolCall, TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall


def given(run: TaskRun, pending: Sequence[PendingToolCall], calls: Sequence[TaskRunToolCall]) -> tuple[Grant, ...]:
    """The grants that were given with the calls of a turn, without those that the run has already.

    A call that used an earlier grant names the same request, and gives none. A run that has as many as it can hold
    takes no more: later calls need a decision.
    """
    known = {grant.request_name for grant in run.status.grants}
    room = GRANTS_LIMIT - len(known)
    return tuple(one for one in _of(pending, calls) if one.request_name not in known)[:room]


def _of(pending: Sequence[PendingToolCall], calls: Sequence[TaskRunToolCall]) -> Iterable[Grant]:
    for wanted, call in zip(pending, calls, strict=True):
        approval = call.status.approval
        if approval is None or approval.choice != DecisionChoice.APPROVE_FOR_RUN or approval.at is None:
            continue
        yield Grant(
            request_name=approval.request_name,
            tool=wanted.name,
            by=approval.by,
            identity=approval.identity,
            at=approval.at,
        )
