"""A HumanRequest, what asks, and the channel that its run named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from kubechain.api.approval import AskedOfPerson
from kubechain.api.budget import BudgetEnd
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.meta import OwnerReference, is_owned_by
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.controllers.carriers import first_channel, is_carried, own_terms, terms_of
from kubechain.controllers.humanrequest.deliveries import open_delivery
from kubechain.controllers.humanrequest.due import Due, messages, reminder_at
from kubechain.controllers.resources import TASK_RUNS, TOOL_CALLS
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import NotFound
from kubechain.runtime.store import Lister

WITHOUT_ANSWER = (ToolCallPhase.TOOL_CALL_REJECTED, ToolCallPhase.OUTCOME_UNKNOWN)
"""Phases in which a call ends that waited for a person until the time was over."""


@dataclass(frozen=True, slots=True)
class Asker:
    """An object that waits, or waited, for the decision of a request.

    Attributes:
        asked: What it has recorded of the request.
        gave_up: Whether it went on without a decision, as it does when the time is over.
        over: How it ended; empty as long as it goes on.
    """

    asked: AskedOfPerson
    gave_up: bool = False
    over: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about a request depends on.

    Attributes:
        asker: What made the request; None when it is gone, or when nothing did.
        is_carried: Whether a channel carries the open request, now or later.
        due: The messages that an open request has, each with its channel.
        remind_at: When people are reminded; None for never.
        contact: The ContactChannel of the message that is to be closed; None where there is none.
    """

    request: HumanRequest
    now: datetime
    asker: Asker | None = None
    is_carried: bool = False
    due: tuple[Due, ...] = ()
    remind_at: datetime | None = None
    contact: ContactChannel | None = None


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads what a decision about a request needs, and changes nothing."""

    calls: Lister[TaskRunToolCall]
    runs: Lister[TaskRun]
    channels: Lister[ContactChannel]
    client: Client
    clock: Clock

    async def observe(self, request: HumanRequest) -> Observed:
        """Read what asks from the cache, and from the server where the cache does not know that it asks."""
        owner, now, namespace = owner_of(request), self.clock.now(), request.metadata.namespace
        if request.status.is_over:
            found = open_delivery(request)
            return Observed(request, now, contact=self.channels.get(namespace, found.channel) if found else None)
        if owner is None:
            return Observed(request, now)
        asker = asker_of(request, self._cached(request, owner))
        if asker is None:
            asker = asker_of(request, await self._live(request, owner))
        asked, created_at = request.spec.request, request.metadata.creation_timestamp
        terms = terms_of(self.runs.get(namespace, asked.task_run_ref.name), asked.tool or "")
        own = own_terms(asked.type, terms)
        wanted = messages(first_channel(asked.type, asked.subject, terms), own, created_at)
        due = tuple(replace(one, contact=self.channels.get(namespace, one.channel)) for one in wanted)
        carried = is_carried(asked.type, asked.subject, terms)
        return Observed(request, now, asker, carried, due, reminder_at(own, created_at))

    def _cached(self, request: HumanRequest, owner: OwnerReference) -> TaskRunToolCall | TaskRun | None:
        namespace, name = request.metadata.namespace, owner.name
        return self.runs.get(namespace, name) if _is_run(owner) else self.calls.get(namespace, name)

    async def _live(self, request: HumanRequest, owner: OwnerReference) -> TaskRunToolCall | TaskRun | None:
        namespace, name = request.metadata.namespace, owner.name
        try:
            if _is_run(owner):
                return await self.client.get(TASK_RUNS, namespace, name)
            return await self.client.get(TOOL_CALLS, namespace, name)
        except NotFound:
            return None


def owner_of(request: HumanRequest) -> OwnerReference | None:
    """The tool call or the run that owns a request; None where none does."""
    owners = request.metadata.owner_references
    return next((owner for owner in owners if owner.kind in (TOOL_CALLS.kind, TASK_RUNS.kind)), None)


def _is_run(owner: OwnerReference) -> bool:
    return owner.kind == TASK_RUNS.kind


def asker_of(request: HumanRequest, owner: TaskRunToolCall | TaskRun | None) -> Asker | None:
    """The tool call or the run, if this very object made the request."""
    return _asking_run(request, owner) if isinstance(owner, TaskRun) else asking_call(request, owner)


def _asking_run(request: HumanRequest, run: TaskRun) -> Asker | None:
    name, status = request.metadata.name, run.status
    asked = next((one for one in status.budget_requests if one.request_name == name), None)
    if asked is None or not is_owned_by(request, run):
        return None
    over = f"the run is over ({status.phase}): {status.status_detail}" if status.completion_time is not None else ""
    if asked.ended == BudgetEnd.WITHDRAWN:
        over = "the limit is not reached any more"
    return Asker(asked, gave_up=asked.ended == BudgetEnd.EXPIRED, over=over)


def asking_call(request: HumanRequest, call: TaskRunToolCall | None) -> Asker | None:
    """The call, if this very object made the request."""
    if call is None or not is_owned_by(request, call):
        return None
    status, name = call.status, request.metadata.name
    asked = next((one for one in status.questions if one.request_name == name), None)
    if asked is None:
        return None
    return Asker(
        asked=asked,
        gave_up=status.phase in WITHOUT_ANSWER,
        over=f"the tool call is over ({status.phase}): {status.status_detail}" if status.is_over else "",
    )
