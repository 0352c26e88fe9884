"""A Tool's next status: pure."""

from __future__ import annotations

from datetime import datetime

from kubechain.api import reasons
from kubechain.api.tool import Tool
from kubechain.controllers.frame import Settled, readiness
from kubechain.controllers.validation import Step, verdict


def settle(tool: Tool, step: Step, now: datetime) -> Settled:
    """The status that `step` leads to, with what is new about it as events."""
    status, event = verdict(step, accepted=reasons.TOOL_VALIDATED)
    changes = readiness(tool, status, reason=event.reason, message=event.message, now=now)
    return Settled(changes, () if tool.status.status_detail == event.message else (event,))
