"""What a call records before it asks a person for input: pure. Each request of a call has a name of its own."""

from __future__ import annotations

from datetime import datetime

from kubechain.api import names
from kubechain.api.approval import AskedOfPerson
from kubechain.api.humanrequest import HumanRequestType
from kubechain.api.taskruntoolcall import EARLIER_LIMIT, HumanInput, TaskRunToolCall
from kubechain.controllers import decisions
from kubechain.controllers.inquiries import Inquiry


def next_name(call: TaskRunToolCall) -> str:
    """The name of the call's next request: its approval, if a person was asked for one, has the first."""
    first, approval = names.human_request_name(call.metadata.name), call.status.approval
    own_approvals = 1 if approval is not None and approval.request_name == first else 0
    return names.human_request_name(call.metadata.name, 1 + own_approvals + _rounds(call))


def asked(call: TaskRunToolCall, inquiry: Inquiry, now: datetime) -> HumanInput:
    """T1: what the call records before anybody is asked, under its next name."""
    execution = call.status.execution
    wanted = HumanInput(
        type=inquiry.type,
        round=_rounds(call),
        attempt=execution.attempt if execution is not None else None,
        digest=inquiry.digest,
        request_name=next_name(call),
        expires_at=decisions.default_expiry(now),
    )
    earlier = _earlier(call.status.input)
    return wanted.with_changes(earlier=earlier) if earlier else wanted


def is_known_not_to_have_happened(call: TaskRunToolCall) -> bool:
    """Whether a person said that the last attempt of the call did not take effect."""
    told, execution = call.status.input, call.status.execution
    return (
        told is not None
        and told.type == HumanRequestType.OUTCOME
        and told.choice is not None
        and told.attempt == (execution.attempt if execution is not None else None)
    )


def _rounds(call: TaskRunToolCall) -> int:
    return 0 if call.status.input is None else call.status.input.round + 1


def _earlier(last: HumanInput | None) -> tuple[AskedOfPerson, ...]:
    """The requests before the next one, with what became of each."""
    if last is None:
        return ()
    kept = AskedOfPerson(
        **{name: getattr(last, name) for name in AskedOfPerson.model_fields.keys() & last.model_fields_set}
    )
    return (*last.earlier, kept)[-EARLIER_LIMIT:]
