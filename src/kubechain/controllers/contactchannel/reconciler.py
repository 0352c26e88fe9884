"""ContactChannel's control loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kubechain.api.contactchannel import ContactChannel
from kubechain.controllers import frame
from kubechain.controllers.contactchannel.decide import decide
from kubechain.controllers.contactchannel.settle import settle
from kubechain.controllers.frame import Done, StatusWriter
from kubechain.controllers.validation import Refuse
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class ContactChannelReconciler:
    """Says of every ContactChannel what it is good for. It has no effects."""

    channels: Lister[ContactChannel]
    writer: StatusWriter[ContactChannel]
    clock: Clock

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type, ...]] = ()

    async def reconcile(self, request: Request) -> Result:
        """Bring the status of one ContactChannel up to date."""
        return await frame.reconcile(self, self.channels, request)

    async def observe(self, obj: ContactChannel) -> ContactChannel:
        """The ContactChannel: it depends on nothing else."""
        return obj

    def decide(self, observed: ContactChannel) -> Refuse:
        """Whether people can be reached."""
        return decide(observed)

    async def carry_out(self, observed: ContactChannel, step: Refuse) -> Done:
        """Write what was decided."""
        return await self.writer.finish(observed, settle(observed, step, self.clock.now()))

    def refused(self, observed: ContactChannel, refusal: WriteRefused) -> None:
        """Nothing: only the status is written, and it cannot say that it is refused."""
        del observed, refusal

    async def forget(self, request: Request) -> None:
        """Nothing: this process holds nothing for a ContactChannel."""
        del request
