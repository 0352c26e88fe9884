"""A Tool's next status: pure."""

from datetime import datetime

from kubechain.api import reasons
from kubechain.api.meta import StatusType
from kubechain.api.tool import Tool
from kubechain.controllers.frame import Event, Settled, normal, readiness, warning
from kubechain.controllers.tool.decide import Accept, Refuse, Step, Wait


def settle(tool: Tool, step: Step, now: datetime) -> Settled:
    """The status that ``step`` leads to, with what is new about it as events."""
    status, event = _verdict(step)
    changes = readiness(tool, status, reason=event.reason, message=event.message, now=now)
    return Settled(changes, () if tool.status.status_detail == event.message else (event,))


def _verdict(step: Step) -> tuple[StatusType, Event]:
    match step:
        case Accept():
            return StatusType.READY, normal(reasons.VALIDATION_SUCCEEDED, reasons.TOOL_VALIDATED)
        case Wait(detail):
            return StatusType.PENDING, normal(reasons.WAITING, detail)
        case Refuse(detail):
            return StatusType.ERROR, warning(reasons.VALIDATION_FAILED, detail)
