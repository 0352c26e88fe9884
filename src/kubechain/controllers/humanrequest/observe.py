"""A HumanRequest, what asks, and the channel that its run named."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.approval import AskedOfPerson
from kubechain.api.humanrequest import HumanRequest, HumanRequestType
from kubechain.api.meta import is_owned_by
from kubechain.api.taskrun import TaskRun, pinned_tool
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.controllers.resources import TOOL_CALLS
from kubechain.runtime.client import Client
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
        channel: The ContactChannel that is named for the request; empty for none.
    """

    request: HumanRequest
    asker: Asker | None = None
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads what a decision about a request needs, and changes nothing."""

    calls: Lister[TaskRunToolCall]
    runs: Lister[TaskRun]
    client: Client

    async def observe(self, request: HumanRequest) -> Observed:
        """Read what asks from the cache, and from the server where the cache does not know that it asks."""
        name = call_name(request)
        if name is None or (request.status.phase is not None and request.status.phase.is_terminal):
            return Observed(request)
        namespace = request.metadata.namespace
        asker = asking_call(request, self.calls.get(namespace, name))
        if asker is None:
            asker = asking_call(request, await self._live(namespace, name))
        return Observed(request, asker, self._channel(request))

    async def _live(self, namespace: str, name: str) -> TaskRunToolCall | None:
        try:
            return await self.client.get(TOOL_CALLS, namespace, name)
        except NotFound:
            return None

    def _channel(self, request: HumanRequest) -> str:
        asked = request.spec.request
        run = self.runs.get(request.metadata.namespace, asked.task_run_ref.name)
        pinned = pinned_tool(run, asked.tool or "") if run is not None else None
        if asked.type == HumanRequestType.QUESTION:
            return asked.subject.name if asked.subject.resource == "contactchannels" else ""
        return (pinned.approval.channel or "") if pinned is not None and pinned.approval is not None else ""


def call_name(request: HumanRequest) -> str | None:
    """The call that owns a request; None where none does."""
    owners = request.metadata.owner_references
    return next((owner.name for owner in owners if owner.kind == TOOL_CALLS.kind), None)


def asking_call(request: HumanRequest, call: TaskRunToolCall | None) -> Asker | None:
    """The call, if this very object made the request."""
    if call is None or not is_owned_by(request, call):
        return None
    status, name = call.status, request.metadata.name
    asked = next((one for one in status.questions if one.request_name == name), None)
    if asked is None:
        return None
    is_over = status.phase is not None and status.phase.is_terminal
    return Asker(
        asked=asked,
        gave_up=status.phase in WITHOUT_ANSWER,
        over=f"the tool call is over ({status.phase}): {status.status_detail}" if is_over else "",
    )
