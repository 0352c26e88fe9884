"""Creates the request that asks a person about a call."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api import reasons
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers.frame import Recorder
from kubechain.controllers.refusals import creating
from kubechain.controllers.resources import HUMAN_REQUESTS
from kubechain.controllers.toolcall import asking
from kubechain.controllers.toolcall.approvals import asks_for
from kubechain.net.foreign import cut
from kubechain.runtime.client import Client
from kubechain.runtime.errors import AlreadyExists, RetryableError

LEFT_OVER_SECONDS = 2.0
"""Between two looks at a request of an earlier call of the same name, which the garbage collector deletes."""

EVENT_MAX_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Requester:
    """Asks once: under one name for each call, so that whoever asks again finds that it was asked."""

    client: Client
    recorder: Recorder

    async def create(self, call: TaskRunToolCall, request: HumanRequest) -> str:
        """Create the request, or find that an earlier try created it.

        Returns:
            Why neither is possible; empty when the request exists and is the call's.

        Raises:
            RetryableError: The request of an earlier call of this name is about to be deleted.
            WriteRefused: The server says no.
        """
        try:
            with creating(request):
                created = await self.client.create(HUMAN_REQUESTS, request)
        except AlreadyExists:
            return await self._adopt(call, request)
        text = asking.command(request.metadata.name, request.metadata.namespace, request.spec.request.digest)
        self.recorder.event(
            created, "Normal", reasons.APPROVAL_REQUESTED, cut(f"To approve: {text}", EVENT_MAX_CHARACTERS)
        )
        return ""

    async def _adopt(self, call: TaskRunToolCall, request: HumanRequest) -> str:
        name, approval = request.metadata.name, call.status.approval
        found = await self.client.get(HUMAN_REQUESTS, request.metadata.namespace, name)
        if approval is not None and asks_for(found, call, approval):
            return ""
        owners = [owner.uid for owner in found.metadata.owner_references if owner.name == call.metadata.name]
        if owners and call.metadata.uid not in owners:
            text = f"an earlier call of this name left it behind: {name}"
            raise RetryableError(text, retry_after_seconds=LEFT_OVER_SECONDS)
        return f'HumanRequest "{name}" exists already and does not belong to this call'
