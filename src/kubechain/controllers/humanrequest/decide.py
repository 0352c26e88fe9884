"""What became of a HumanRequest, as what asks has recorded it: pure, complete by type check."""

from __future__ import annotations

from kubechain.api.conditions import is_true
from kubechain.api.humanrequest import REMINDED, HumanRequest
from kubechain.api.meta import time_text
from kubechain.controllers.frame import Done
from kubechain.controllers.humanrequest.deliveries import deletion_left_seconds, is_held, next_closing, next_message
from kubechain.controllers.humanrequest.observe import Observed
from kubechain.controllers.humanrequest.steps import Close, Expire, Hold, Remind, Step, TellOfChannel, Withdraw

NOBODY_ASKS = "nothing asks for this decision: KubeChain makes requests itself, when a tool call or a run needs one"
DELETED = "the request was deleted"
GONE = "what asked, a tool call or a run, does not exist any more"


def decide(observed: Observed) -> Step | Done:
    """The next step for one request."""
    phase, asker = observed.request.status.phase, observed.asker
    if phase is not None and phase.is_terminal:
        return next_closing(observed.request, observed.contact, observed.now)
    if asker is None:
        return Withdraw(GONE if observed.request.metadata.owner_references else NOBODY_ASKS)
    if asker.asked.choice is not None:
        return Close(asker.asked)
    if asker.gave_up:
        return Expire()
    if asker.over:
        return Withdraw(asker.over)
    return _open(observed) if observed.request.metadata.deletion_timestamp is None else _deleted(observed)


def _deleted(observed: Observed) -> Step | Done:
    """What was decided before the deletion counts: what asks is about to record it."""
    left_seconds = deletion_left_seconds(observed.request, observed.now)
    if observed.request.spec.decision is not None and left_seconds is not None and left_seconds > 0.0:
        return Done(left_seconds)
    return Withdraw(DELETED)


def _open(observed: Observed) -> Step | Done:
    """The API server gives a new request its phase; only what it does not know is written."""
    request, now, remind_at = observed.request, observed.now, observed.remind_at
    if observed.is_carried and not is_held(request):
        return Hold()
    is_reminded = is_true(request.status.conditions, REMINDED)
    if remind_at is not None and remind_at <= now and not is_reminded:
        return Remind(f"nobody has decided since {_asked_at(request)}")
    if request.status.phase is None and not observed.due:
        return TellOfChannel("")
    return next_message(request, observed.due, now, wake_at=None if is_reminded else remind_at)


def _asked_at(request: HumanRequest) -> str:
    created_at = request.metadata.creation_timestamp
    return time_text(created_at) if created_at is not None else "it was made"
