"""What the API server's refusals mean for a TaskRun's status: pure functions."""

from __future__ import annotations

from typing import Any

from kubechain.api import reasons
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.frame import Settled, soonest, warning
from kubechain.controllers.taskrun import ends, settle
from kubechain.controllers.taskrun.decide import seconds_to_deadline
from kubechain.controllers.taskrun.ends import ERROR_MAX_CHARACTERS
from kubechain.controllers.taskrun.observe import Observed
from kubechain.controllers.taskrun.steps import Fail
from kubechain.net.foreign import cut
from kubechain.runtime.errors import FINAL_REFUSALS, WriteRefused


def refused(observed: Observed, refusal: WriteRefused) -> Settled:
    """The API server refuses a tool call, or the run's status: tried again until the limit is over."""
    run, text = observed.run, str(refusal)
    reason = _reason(run) if refusal.is_create else reasons.STATUS_REFUSED
    block = observed.block
    if block.is_over or isinstance(refusal.error, FINAL_REFUSALS):
        return ends.failed(run, Fail(reason, block.given_up(text) if block.is_over else text), observed.now)
    status: dict[str, Any] = {
        "ready": False,
        "status": StatusType.ERROR,
        "status_detail": block.told(text),
        "blocked_since": block.since,
    }
    events = (warning(reason, text),) if run.status.blocked_since is None else ()
    wait = soonest(block.retry_seconds, seconds_to_deadline(observed))
    return Settled(settle.in_phase(run) | status, events, requeue_after_seconds=wait)


def _reason(run: TaskRun) -> str:
    """What is refused: the request to a person where the run waits for one, else a tool call."""
    is_asking = run.status.open_budget_request is not None
    return reasons.BUDGET_NOT_REQUESTED if is_asking else reasons.TOOL_CALL_REFUSED


def delayed(run: TaskRun, refusal: WriteRefused) -> Settled:
    """The answer of the model is there, and the API server does not take it yet."""
    del run
    text = cut(f"The model has answered, and {refusal}; trying again", ERROR_MAX_CHARACTERS)
    status = {"ready": False, "status": StatusType.ERROR, "status_detail": text}
    return Settled(status, (warning(reasons.STATUS_REFUSED, text),))


def tool_calls_created(run: TaskRun) -> Settled:
    """The objects of the turn's tool calls exist, after some of them were refused."""
    return Settled(
        {
            "ready": True,
            "status": StatusType.READY,
            "status_detail": settle.asked_text(len(run.status.pending_turn)),
            "blocked_since": None,
        }
    )
