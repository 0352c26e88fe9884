"""ContactChannel's control loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from kubechain.api.contactchannel import ContactChannel
from kubechain.controllers import frame
from kubechain.controllers.channels import ChannelDirectory
from kubechain.controllers.checks import Checked
from kubechain.controllers.contactchannel import hearing
from kubechain.controllers.contactchannel.decide import decide
from kubechain.controllers.contactchannel.effects import check, listen
from kubechain.controllers.contactchannel.listeners import Listeners
from kubechain.controllers.contactchannel.observe import Observed
from kubechain.controllers.contactchannel.settle import settle
from kubechain.controllers.contactchannel.steps import Check, Step, TellOfConnection
from kubechain.controllers.frame import Again, Done, StatusWriter
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class ContactChannelReconciler:
    """Checks every ContactChannel at its service, and reports in its status how people are reached and heard."""

    channels: Lister[ContactChannel]
    directory: ChannelDirectory
    listeners: Listeners
    writer: StatusWriter[ContactChannel]
    clock: Clock
    _checked: dict[Request, Checked] = field(default_factory=dict[Request, Checked])

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type, ...]] = ()

    async def reconcile(self, request: Request) -> Result:
        """Bring the status of one ContactChannel up to date."""
        return await frame.reconcile(self, self.channels, request)

    async def observe(self, obj: ContactChannel) -> Observed:
        """Read the versions of the Secrets, and the last check."""
        return Observed(
            channel=obj,
            fingerprint=await self.directory.fingerprint(obj),
            checked=self._checked.get(_request(obj)),
            monotonic_now=self.clock.monotonic(),
            hearing=self.listeners.hearing(_request(obj)),
            look_again_seconds=self.directory.look_again_seconds(obj),
        )

    def decide(self, observed: Observed) -> Step | Done:
        """Whether the channel must be checked."""
        return decide(observed)

    async def carry_out(self, observed: Observed, step: Step) -> Again[ContactChannel] | Done:
        """Check the channel, or write how its connection is."""
        match step:
            case Check(attempt):
                return await self._checked_at(observed, attempt)
            case TellOfConnection():
                settled = hearing.settle(observed.channel, observed.hearing, now=self.clock.now())
                return Again(await self.writer.write(observed.channel, settled))

    async def _checked_at(self, observed: Observed, attempt: int) -> Again[ContactChannel]:
        channel = observed.channel
        await listen(channel, self.directory, self.listeners)
        outcome = await check(channel, self.directory)
        settled = settle(channel, outcome, attempt=attempt, now=self.clock.now())
        written = await self.writer.write(channel, settled)
        # After the write: a verdict that could not be written must be reached again.
        wait, now = settled.requeue_after_seconds, self.clock.monotonic()
        self._checked[_request(channel)] = Checked(
            observed.fingerprint, None if wait is None else now + wait, attempt, now
        )
        return Again(written)

    def refused(self, observed: Observed, refusal: WriteRefused) -> None:
        """Nothing: only the status is written, and it cannot say that it is refused."""
        del observed, refusal

    async def forget(self, request: Request) -> None:
        """Drop the last check, and the connection."""
        self._checked.pop(request, None)
        self.listeners.use(request, None)


def _request(channel: ContactChannel) -> Request:
    return Request(channel.metadata.namespace, channel.metadata.name)
