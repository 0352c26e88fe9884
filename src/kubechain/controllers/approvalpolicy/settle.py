"""An ApprovalPolicy's next status: pure."""

from __future__ import annotations

from datetime import datetime

from kubechain.api import reasons
from kubechain.api.approvalpolicy import ApprovalPolicy
from kubechain.controllers.frame import Settled, readiness
from kubechain.controllers.validation import Step, verdict


def settle(policy: ApprovalPolicy, step: Step, now: datetime) -> Settled:
    """The status that `step` leads to, with what is new about it as an event."""
    status, event = verdict(step, accepted=reasons.POLICY_VALIDATED)
    changes = readiness(policy, status, reason=event.reason, message=event.message, now=now)
    return Settled(changes, () if policy.status.status_detail == event.message else (event,))
