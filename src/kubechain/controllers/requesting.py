"""Creates the HumanRequest that asks a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubechain.api import reasons
from kubechain.api.approval import AskedOfPerson
from kubechain.api.humanrequest import HumanRequest, HumanRequestType
from kubechain.api.meta import KubeObject
from kubechain.controllers import inquiries
from kubechain.controllers.frame import Recorder
from kubechain.controllers.inquiries import Inquiry, asks_for
from kubechain.controllers.refusals import creating
from kubechain.controllers.resources import HUMAN_REQUESTS
from kubechain.net.foreign import cut
from kubechain.runtime.client import Client
from kubechain.runtime.errors import AlreadyExists, RetryableError

LEFT_OVER_SECONDS = 2.0
"""Between two looks at a request of an earlier object of the same name, which the garbage collector deletes."""

EVENT_MAX_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Requester:
    """Asks once: under a name that every try gives again, so that whoever asks again finds that it was asked."""

    client: Client
    recorder: Recorder

    async def create(
        self, asker: KubeObject, asked: AskedOfPerson | None, request: HumanRequest, inquiry: Inquiry
    ) -> str:
        """Create the request, or find that an earlier try created it.

        Args:
            asker: The object that waits for the decision.
            asked: As its status has it.
            request: What is created.
            inquiry: What it asks.

        Returns:
            Why neither is possible; empty when the request exists and is the asker's.

        Raises:
            RetryableError: The request of an earlier object of this name is about to be deleted.
            WriteRefused: The server says no.
        """
        try:
            with creating(request):
                created = await self.client.create(HUMAN_REQUESTS, request)
        except AlreadyExists:
            return await self._adopt(asker, asked, request, inquiry)
        self.recorder.event(
            created, "Normal", requested_reason(request), cut(inquiries.command(request), EVENT_MAX_CHARACTERS)
        )
        return ""

    async def _adopt(
        self, asker: KubeObject, asked: AskedOfPerson | None, request: HumanRequest, inquiry: Inquiry
    ) -> str:
        name = request.metadata.name
        found = await self.client.get(HUMAN_REQUESTS, request.metadata.namespace, name)
        if asked is not None and asks_for(found, asker, asked, inquiry):
            return ""
        owners = [owner.uid for owner in found.metadata.owner_references if owner.name == asker.metadata.name]
        if owners and asker.metadata.uid not in owners:
            text = f"an earlier {asker.kind} of this name left it behind: {name}"
            raise RetryableError(text, retry_after_seconds=LEFT_OVER_SECONDS)
        return f'HumanRequest "{name}" exists already and does not belong to {asker.kind} "{asker.metadata.name}"'


_REASONS: Mapping[HumanRequestType, str] = {
    HumanRequestType.APPROVAL: reasons.APPROVAL_REQUESTED,
    HumanRequestType.BUDGET: reasons.BUDGET_REQUESTED,
}


def requested_reason(request: HumanRequest) -> str:
    """The reason of the event that a person is asked."""
    return _REASONS.get(request.spec.request.type, reasons.INPUT_REQUESTED)
