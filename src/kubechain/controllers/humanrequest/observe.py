"""A HumanRequest, the tool call that asks, and the channel that its run named."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.meta import is_owned_by
from kubechain.api.taskrun import TaskRun, pinned_tool
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers.resources import TOOL_CALLS
from kubechain.runtime.client import Client
from kubechain.runtime.errors import NotFound
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about a request depends on.

    Attributes:
        call: The one that made the request; None when it is gone, or when none did.
        channel: The ContactChannel that is named for the approval; empty for none.
    """

    request: HumanRequest
    call: TaskRunToolCall | None = None
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads what a decision about a request needs, and changes nothing."""

    calls: Lister[TaskRunToolCall]
    runs: Lister[TaskRun]
    client: Client

    async def observe(self, request: HumanRequest) -> Observed:
        """Read the call from the cache, and from the server where the cache does not know that it asks."""
        name = call_name(request)
        if name is None or (request.status.phase is not None and request.status.phase.is_terminal):
            return Observed(request)
        namespace = request.metadata.namespace
        call = asking_call(request, self.calls.get(namespace, name))
        if call is None:
            call = asking_call(request, await self._live(namespace, name))
        return Observed(request, call, self._channel(request))

    async def _live(self, namespace: str, name: str) -> TaskRunToolCall | None:
        try:
            return await self.client.get(TOOL_CALLS, namespace, name)
        except NotFound:
            return None

    def _channel(self, request: HumanRequest) -> str:
        asked = request.spec.request
        run = self.runs.get(request.metadata.namespace, asked.task_run_ref.name)
        pinned = pinned_tool(run, asked.tool or "") if run is not None else None
        return (pinned.approval.channel or "") if pinned is not None and pinned.approval is not None else ""


def call_name(request: HumanRequest) -> str | None:
    """The call that owns a request; None where none does."""
    owners = request.metadata.owner_references
    return next((owner.name for owner in owners if owner.kind == TOOL_CALLS.kind), None)


def asking_call(request: HumanRequest, call: TaskRunToolCall | None) -> TaskRunToolCall | None:
    """The call, if this very object made the request."""
    if call is None or not is_owned_by(request, call):
        return None
    approval = call.status.approval
    return call if approval is not None and approval.request_name == request.metadata.name else None
