"""A Tool's next status: pure."""

from __future__ import annotations

from datetime import datetime

from kubechain.api import reasons
from kubechain.controllers.frame import Settled, readiness, soonest
from kubechain.controllers.tool.observe import Observed
from kubechain.controllers.validation import Step, verdict

TROUBLE_RECHECK_SECONDS = 15.0
"""What a Tool lacks, such as a container engine or a ServiceAccount, comes without a watch event."""


def settle(observed: Observed, step: Step, now: datetime) -> Settled:
    """The status that `step` leads to, with what is new about it as events."""
    tool = observed.tool
    status, event = verdict(step, accepted=reasons.TOOL_VALIDATED)
    changes = readiness(tool, status, reason=event.reason, message=event.message, now=now)
    events = () if tool.status.status_detail == event.message else (event,)
    recheck_seconds = TROUBLE_RECHECK_SECONDS if observed.trouble else None
    return Settled(changes, events, soonest(recheck_seconds, observed.look_again_seconds))
