"""What a run does that may not call its LLM yet: it waits, within its limits. Pure."""

from __future__ import annotations

from kubechain.api import reasons
from kubechain.controllers.frame import soonest
from kubechain.controllers.taskrun import fallbacks, retries
from kubechain.controllers.taskrun.decide import seconds_to_deadline
from kubechain.controllers.taskrun.llmslots import Place
from kubechain.controllers.taskrun.observe import Observed
from kubechain.controllers.taskrun.steps import Fail, Wait


def left_seconds(observed: Observed) -> float | None:
    """How long the run may wait: until its deadline, or until the end of its retries; None for no limit."""
    ends_at = retries.ends_at(observed.run)
    retries_left = None if ends_at is None else (ends_at - observed.now).total_seconds()
    return soonest(seconds_to_deadline(observed), retries_left)


def queued(observed: Observed, llm_name: str, place: Place) -> Wait | Fail:
    """Wait in the queue; the end of a run that has waited for its provider for as long as `retryFor` allows.

    A run that waits for other runs has no such limit: the queue moves.
    """
    detail, left = reasons.queued_for_llm(llm_name, place.text), left_seconds(observed)
    if (ends_at := retries.ends_at(observed.run)) is not None and ends_at <= observed.now:
        text = retries.given_up(observed.run, observed.run.status.error or detail)
        return Fail(reasons.LLM_REQUEST_FAILED, text)
    if not place.is_outage:
        return Wait(detail, left)
    block = observed.block
    if block.is_over:
        return Fail(reasons.WAITED_TOO_LONG, block.given_up(detail))
    again = fallbacks.look_again_seconds(observed.candidates) if observed.fallbacks else None
    return Wait(detail, soonest(left, again, block.left_seconds), blocked_since=block.since)
