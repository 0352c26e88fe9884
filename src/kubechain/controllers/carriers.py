"""By which contact channel a request is carried, as its run has pinned it. Pure."""

from __future__ import annotations

from kubechain.api.approval import PinnedApproval
from kubechain.api.humanrequest import HumanRequestType, RequestSubject
from kubechain.api.taskrun import TaskRun, pinned_tool


def terms_of(run: TaskRun | None, tool: str) -> PinnedApproval | None:
    """How people are asked about a tool; None where the run is gone or its tool says nothing."""
    pinned = pinned_tool(run, tool) if run is not None else None
    return pinned.approval if pinned is not None else None


def own_terms(type_: HumanRequestType, terms: PinnedApproval | None) -> PinnedApproval | None:
    """The terms as far as they are about the request: they say how calls are approved, and nothing of questions."""
    return terms if type_ == HumanRequestType.APPROVAL else None


def first_channel(type_: HumanRequestType, subject: RequestSubject, terms: PinnedApproval | None) -> str:
    """Name of the ContactChannel by which people are asked first; empty for none."""
    if type_ == HumanRequestType.QUESTION:
        return subject.name if subject.resource == "contactchannels" else ""
    return (terms.channel or "") if terms is not None else ""


def is_carried(type_: HumanRequestType, subject: RequestSubject, terms: PinnedApproval | None) -> bool:
    """Whether a channel carries the request, now or later."""
    own = own_terms(type_, terms)
    return bool(first_channel(type_, subject, terms)) or (own is not None and own.escalate_to is not None)
