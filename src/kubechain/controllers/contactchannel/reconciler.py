"""ContactChannel's control loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from kubechain.api.contactchannel import ContactChannel
from kubechain.controllers import frame
from kubechain.controllers.channels import ChannelDirectory
from kubechain.controllers.checks import Checked
from kubechain.controllers.contactchannel.decide import decide
from kubechain.controllers.contactchannel.effects import check
from kubechain.controllers.contactchannel.observe import Observed
from kubechain.controllers.contactchannel.settle import settle
from kubechain.controllers.contactchannel.steps import Step
from kubechain.controllers.frame import Done, StatusWriter
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class ContactChannelReconciler:
    """Checks every ContactChannel at its service, and reports the verdict in its status."""

    channels: Lister[ContactChannel]
    directory: ChannelDirectory
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
            fingerprint=self.directory.fingerprint(obj),
            checked=self._checked.get(_request(obj)),
            monotonic_now=self.clock.monotonic(),
        )

    def decide(self, observed: Observed) -> Step | Done:
        """Whether the channel must be checked."""
        return decide(observed)

    async def carry_out(self, observed: Observed, step: Step) -> Done:
        """Check the channel and write the verdict."""
        channel = observed.channel
        outcome = await check(channel, self.directory)
        settled = settle(channel, outcome, attempt=step.attempt, now=self.clock.now())
        done = await self.writer.finish(channel, settled)
        # After the write: a verdict that could not be written must be reached again.
        wait, now = settled.requeue_after_seconds, self.clock.monotonic()
        self._checked[_request(channel)] = Checked(
            observed.fingerprint, None if wait is None else now + wait, step.attempt, now
        )
        return done

    def refused(self, observed: Observed, refusal: WriteRefused) -> None:
        """Nothing: only the status is written, and it cannot say that it is refused."""
        del observed, refusal

    async def forget(self, request: Request) -> None:
        """Drop the last check."""
        self._checked.pop(request, None)


def _request(channel: ContactChannel) -> Request:
    return Request(channel.metadata.namespace, channel.metadata.name)
